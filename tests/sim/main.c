/*
 * sim: cuts the power and breaks the medium at every operation of every scenario.
 *
 *	sim			what CI runs
 *	sim --deep		everything, and a third cut at random
 *	sim --quick		a few seconds; ends at the first failure with one line
 *	sim CASE		one case with all its operations, by the id that a failure names
 *	sim --list
 */
#include "explore.h"

#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 1024

enum job_state { JOB_WAITS, JOB_RUNS, JOB_DONE };

struct job {
	const struct scenario *scenario;
	const struct physics *physics; /* NULL: errors */
	_Atomic int state;
	pid_t worker;
	struct totals totals;
};

static struct jobs {
	_Atomic size_t next;
	_Atomic bool stop;
	size_t count;
	struct job at[JOBS_MAX];
} * jobs; /* shared by all workers */

static struct settings {
	bool quick, deep;
	unsigned workers;
	const char *scenario, *physics;
} settings = {.workers = 2};

/* --- What is to be done --- */

static struct explore_options options_for(const struct physics *p)
{
	struct explore_options o = {.depth = 2,
				    .share = 1,
				    .thin = 1,
				    .stop_at_first = settings.quick,
				    .whole_padding = settings.deep};

	if (p->lie > 1) /* what such a medium may lose is without number */
		o.thin = settings.deep ? 8 : 64;

	if (settings.quick || p->lie > 1 || p->misreads)
		o.depth = 1;
	else if (settings.deep)
		o.random = 20;
	else if (p->sector == 512) /* more sectors, more outcomes */
		o.share = p->atomic && !p->lie ? 32 : 128;
	else
		o.share = p->atomic ? 2 : 8;
	return o;
}

static bool among(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* In CI the errors of those scenarios whose steps are not those of another one. */
static bool wants_errors(const struct scenario *s)
{
	static const char *const some[] = {"ab-install",  "single-install", "running-install",
					   "trial-hangs", "leave-again",    "wipe",
					   "trial-fails", "confirm",	    "request"};

	/* With no recovery to start, what cannot be read is the end. */
	if (s->no_recovery)
		return false;
	if (settings.physics)
		return !strcmp(settings.physics, "errors");
	return settings.deep || among(some, settings.quick ? 2 : COUNT(some), s->name);
}

/* The same for a medium that lies, whose outcomes are without number. */
static bool wants_lies(const struct scenario *s)
{
	static const char *const some[] = {"ab-install",      "single-install", "running-install",
					   "ab-resume-other", "confirm",	"trial-fails",
					   "trial-hangs",     "request",	"single-request",
					   "flags-damaged",   "leave-again"};

	return among(some, COUNT(some), s->name);
}

static bool wants_physics(const struct physics *p)
{
	if (settings.physics)
		return !strcmp(settings.physics, p->name);
	if (settings.quick)
		return p->sector == 512 && !p->lie;
	return settings.deep || p->promise < PROMISE_REACHABLE;
}

static void add_job(const struct scenario *scenario, const struct physics *physics)
{
	if (jobs->count == JOBS_MAX)
		abort();
	jobs->at[jobs->count++] = (struct job){.scenario = scenario, .physics = physics};
}

static void add_jobs(void)
{
	for (size_t s = 0; s < scenario_count; s++) {
		if (settings.scenario && strcmp(settings.scenario, scenarios[s].name))
			continue;
		for (size_t p = 0; p < physics_count; p++)
			if (wants_physics(&physics_table[p]) &&
			    (physics_table[p].lie < 2 || wants_lies(&scenarios[s])) &&
			    !(physics_table[p].misreads && scenarios[s].no_recovery))
				add_job(&scenarios[s], &physics_table[p]);
		if (wants_errors(&scenarios[s]))
			add_job(&scenarios[s], NULL);
	}
}

/* --- Workers --- */

static void work(void)
{
	for (size_t i; !jobs->stop && (i = jobs->next++) < jobs->count;) {
		struct job *job = &jobs->at[i];
		job->worker = getpid();
		job->state = JOB_RUNS;
		if (job->physics) {
			struct explore_options options = options_for(job->physics);
			/* What a medium that lies may lose is without number all the same. */
			outcome_subsets = settings.deep && job->physics->lie < 2 ? 8 : 4;
			explore(job->scenario, job->physics, &options, &job->totals);
		} else {
			explore_errors(job->scenario, &physics_table[0], settings.quick,
				       &job->totals);
		}
		if (job->totals.failures && settings.quick)
			jobs->stop = true;
		job->state = JOB_DONE;
	}
}

static void start_workers(pid_t *workers)
{
	fflush(NULL);
	for (unsigned i = 0; i < settings.workers; i++) {
		workers[i] = fork();
		if (workers[i] < 0) {
			perror("sim: fork");
			exit(1);
		}
		if (!workers[i]) {
			work();
			fflush(NULL);
			_exit(0);
		}
	}
}

/* A worker that crashed: what it was at is the failure. */
static void note_crash(pid_t worker, int status)
{
	for (size_t i = 0; i < jobs->count; i++) {
		struct job *job = &jobs->at[i];
		if (job->worker != worker || job->state != JOB_RUNS)
			continue;
		job->totals.failures++;
		job->state = JOB_DONE;
		snprintf(job->totals.first, sizeof(job->totals.first),
			 "%s: crash: the program ended with %s %d  [%s/%s]", job->scenario->name,
			 WIFSIGNALED(status) ? "signal" : "status",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
			 job->scenario->name, job->physics ? job->physics->name : "errors");
	}
	jobs->stop = true;
}

/* --- What is told --- */

static void add_totals(struct totals *sum, const struct totals *t)
{
	sum->cases += t->cases;
	sum->states += t->states;
	sum->cuts += t->cuts;
	sum->errors += t->errors;
	sum->failures += t->failures;
	if (!*sum->first)
		strcpy(sum->first, t->first);
}

/* A line for each scenario whose jobs are done; returns the next one. */
static size_t tell(size_t from, struct totals *all)
{
	while (from < jobs->count) {
		const struct scenario *s = jobs->at[from].scenario;
		struct totals sum = {0};
		size_t end = from;
		for (; end < jobs->count && jobs->at[end].scenario == s; end++) {
			if (jobs->at[end].state != JOB_DONE && !jobs->stop)
				return from;
			add_totals(&sum, &jobs->at[end].totals);
		}
		add_totals(all, &sum);
		from = end;
		if (settings.quick)
			continue;
		printf("  %-9s %-22s %7llu cases, %6llu states, %5llu errors\n",
		       sum.failures ? "FAILED" : "SIM", s->name, (unsigned long long)sum.cases,
		       (unsigned long long)sum.states, (unsigned long long)sum.errors);
		if (sum.failures)
			printf("    %s\n", sum.first);
		fflush(stdout);
	}
	return from;
}

/* Less is no proof: a scenario, a physics, an outcome or the errors have gone missing. */
static bool is_complete(const struct totals *all)
{
	bool complete = all->cases >= (settings.deep ? 50000000u : 300000u) &&
			all->errors >= (settings.deep ? 70000u : 15000u);

	if (settings.quick || settings.scenario || settings.physics)
		return true;
	for (size_t i = 0; i < jobs->count; i++) {
		const struct job *job = &jobs->at[i];
		complete &= job->physics ? job->totals.cases > 0 : job->totals.errors > 0;
	}
	for (size_t p = 0; p < physics_count; p++) {
		bool used = !settings.deep && physics_table[p].promise == PROMISE_REACHABLE;
		for (size_t i = 0; i < jobs->count; i++)
			used |= jobs->at[i].physics == &physics_table[p];
		complete &= used;
	}
	return complete;
}

static int conclude(const struct totals *all)
{
	if (all->failures && settings.quick) {
		printf("%s\n", all->first);
		return 1;
	}
	printf("figure: sim_cases = %llu cases\n", (unsigned long long)all->cases);
	printf("figure: sim_distinct_states = %llu states\n", (unsigned long long)all->states);
	printf("figure: sim_errors = %llu runs\n", (unsigned long long)all->errors);
	printf("figure: sim_failures = %llu cases\n", (unsigned long long)all->failures);
	printf("%llu passed, %llu failed\n",
	       (unsigned long long)(all->cases + all->errors - all->failures),
	       (unsigned long long)all->failures);
	if (!all->failures && !is_complete(all)) {
		fprintf(stderr, "sim: fewer cases than there must be\n");
		return 1;
	}
	return all->failures != 0;
}

static int run_all(void)
{
	pid_t workers[16];
	struct totals all = {0};
	unsigned running = settings.workers;
	size_t told = 0;
	int status;

	jobs = mmap(NULL, sizeof(*jobs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (jobs == MAP_FAILED) {
		perror("sim: memory");
		return 1;
	}
	add_jobs();
	if (!jobs->count) {
		fprintf(stderr, "sim: no such scenario or physics (--list shows them)\n");
		return 2;
	}
	start_workers(workers);
	while (running) {
		pid_t worker = waitpid(-1, &status, WNOHANG);
		if (worker > 0 && status)
			note_crash(worker, status);
		running -= worker > 0;
		told = tell(told, &all);
		if (!worker)
			usleep(50000);
	}
	jobs->stop = true;
	tell(told, &all);
	return conclude(&all);
}

static int list(void)
{
	for (size_t i = 0; i < scenario_count; i++)
		printf("%s\n", scenarios[i].name);
	printf("physics:");
	for (size_t i = 0; i < physics_count; i++)
		printf(" %s", physics_table[i].name);
	printf(" errors\n");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"quick", no_argument, NULL, 'q'},
		{"deep", no_argument, NULL, 'd'},
		{"list", no_argument, NULL, 'l'},
		{"jobs", required_argument, NULL, 'j'},
		{"scenario", required_argument, NULL, 's'},
		{"physics", required_argument, NULL, 'p'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "j:s:p:", options, NULL)) != -1) {
		if (c == 'l')
			return list();
		if (c == '?')
			return 2;
		settings.quick |= c == 'q';
		settings.deep |= c == 'd';
		if (c == 'j')
			settings.workers = (unsigned)atoi(optarg);
		if (c == 's')
			settings.scenario = optarg;
		if (c == 'p')
			settings.physics = optarg;
	}
	if (settings.workers < 1 || settings.workers > 16)
		settings.workers = 1;
	return optind < argc ? explore_replay(argv[optind]) : run_all();
}
