/* A mistake for `make lint` to find: cppcheck sees a table that nobody writes to. */
int days(unsigned int month);

int days(unsigned int month)
{
	int table[4] = {31, 28, 31, 30};

	return table[month % 4];
}
