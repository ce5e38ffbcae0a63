/* A mistake for `make lint` to find: gcc's analyser sees memory freed twice. */
#include <stdlib.h>

void take(char *text);

void take(char *text)
{
	if (text[0])
		free(text);
	free(text);
}
