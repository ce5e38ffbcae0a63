/*
 * The commit protocol of Lifeboat, for Spin: recovery, boot loader, running system, confirmation, and the power that
 * goes at any instant. Written from recovery/DESIGN.md and the code; each step names the function that it models and
 * the invariant that it keeps (I1 to I11). `make model` checks it (tests/model/run).
 *
 * What is modelled
 *   A release is a number, and a package is the release that is in it. A slot has two images of one chunk each (boot,
 *   system), so that it can be half new and half old. The boot flags are two copies of an environment; the state
 *   partition is a device record and a journal. Whatever is stored is written, then flushed, and the power may go
 *   before, between and after.
 *
 * What a power cut leaves
 *   Of everything that is stored there is what a read returns now (`seen`, `chunk`; for the rings what memory holds of
 *   them, R and J) and what would be there after a cut (`kept`). A write changes the first, and chooses what has become
 *   of the second: nothing yet, the new bytes already, or rubbish (torn). A flush makes the second equal to the first,
 *   a cut the first to the second. So writes between two flushes reach the medium in any order: whole, torn, or not at
 *   all. (A torn block of a ring has a wrong SHA-256, and the block before it counts: the same as no write.)
 *
 * What else may happen: TROUBLE counts accidents and power cuts together
 *   a write to a slot or to the flags that ends as rubbish with no error reported; a source that goes away; at a cut,
 *   both copies of the flags destroyed (counts twice). Once each: a person who presses a key or brings a stick with
 *   another release; an update agent that does not wait for the confirmation. And each world of `init` by itself:
 *   boards with one slot and two, both policies, a blank device, a slot whose medium holds nothing, and a release that
 *   hangs, that fails its health checks, whose boot image U-Boot refuses, or that confirms itself and hangs later.
 *
 * What is left out, because the boot loader's choice does not depend on it: the pending head, results, log, boot
 * counter; packages that do not verify (nothing of them is written); operations that report an error (tests/sim lets
 * every one of them fail). Recovery itself always verifies. Wiping user data is another protocol (core/wipe.h).
 *
 * What must hold
 *   Each assertion says so in the comment above it; a device that stops anywhere but at a label end_... is a deadlock;
 *   and `ends`, at the end of the file: with power that is cut a bounded number of times, every update ends. No
 *   assumption of fairness is needed: there is one device, and the power can only delay it so many times.
 */

#ifndef TROUBLE
#define TROUBLE 2
#endif
#define TRIES 3 /* board tree: tries */
#define ATTEMPTS_MAX 3 /* session.c */
#define SELF_STARTS 3 /* install.h: INSTALL_SELF_STARTS */

/* --- Broken orders: each must be found, by one of the invariants that are named --- */

#define none 0
#define mark_missing 1 /* I2, I4: the target stays bootable while it is written */
#define mark_late 2 /* I2, I4: it is marked after its first image */
#define mark_leaves_record 3 /* I2, I7: the device record still says that it has confirmed itself */
#define flip_before_read_back 4 /* I5, I4 */
#define flip_in_two_stores 5 /* I5, I6: first the order, then the tries */
#define flags_without_flush 6 /* I2, I4, I8 */
#define record_without_flush 7 /* I7 */
#define journal_without_flush 8 /* I3 */
#define target_without_flush 9 /* I4, I3 */
#define journal_before_flush 10 /* I3: "done" is said before it is */
#define journal_late 11 /* I3: announced after the first image */
#define one_flag_copy 12 /* I4 */
#define flags_over_newer 13 /* I4: the store goes to the copy that counts */
#define serial_without_wrap 14 /* I4, I8: at the wrap the older copy counts */
#define flags_not_read_back 15 /* I4, I7: a store that nobody saw arrive counts as one */
#define damaged_is_bootable 16 /* I4, I7: damaged flags are taken for "anything may be started" */
#define floor_at_install 17 /* I7 */
#define floor_before_flags 18 /* I7: the floor rises before the good mark is stored */
#define floor_goes_down 19 /* I7: a package with a lower floor lowers the device's */
#define below_floor_stays 20 /* I7: what is older than the floor stays in the order */
#define journal_ends_first 21 /* I7: a cut in the confirmation forgets the floor */
#define record_in_place 22 /* I7: a ring of one block */
#define only_good_is_target 23 /* I11 */
#define resume_trusts_journal 24 /* I9: what the journal calls flushed is not read */
#define attempts_without_bound 25 /* I8: what fails is tried again by itself for ever */
#define try_not_taken 26 /* I8: a slot on trial is started for ever */
#define self_starts_without_bound 27 /* I8: a good system that hangs is given new tries for ever */
#define failed_trial_repeated 28 /* I8: what failed its trial is installed again by itself */
#define request_not_cleared 29 /* I8: the flip leaves the request for recovery */
#define record_forgets_floor 30 /* I7: flags that are written anew name what is older than the floor */

/* Chosen when Spin reads the model (-DMUTANT=mark_late, so that `spin -t` can show what it finds), or else when the
 * checker starts, so that one is compiled for all. */
#ifdef MUTANT
#define BROKEN(order) (MUTANT == order)
#else
#define BROKEN(order) (c_expr { mutant == order })
c_decl {
	static int mutant;
	static void __attribute__((constructor)) choose(void)
	{
		char *text = getenv("MUTANT");

		mutant = text ? atoi(text) : 0;
	}
}
#endif

/* --- What is stored --- */

#define NOBODY 2 /* no slot: in orders, and as `running` in recovery */
#define RUBBISH 0

/* flags.h: struct flags; stored as a number. */
typedef Flags {
	byte order[2];
	byte tries[2];
	bool good[2];
	bool request
};
#define EMPTY_FLAGS (NOBODY | NOBODY << 2)
#define PACKED_FLAGS \
	(F.order[0] | F.order[1] << 2 | F.tries[0] << 4 | F.tries[1] << 6 | F.good[0] << 8 | F.good[1] << 9 | \
	 F.request << 10)

/* ubootenv.c: one copy of the environment. Serials count modulo 4 here, so that they wrap in every update. */
typedef Copy {
	bool valid;
	byte serial;
	short flags
};

/* state.h: struct state_record; stored as a number. */
typedef Record {
	byte release[2];
	bool confirmed[2];
	bool failed[4];
	byte floor;
	byte self_starts
};
#define PACKED_RECORD \
	(R.release[0] | R.release[1] << 2 | R.confirmed[0] << 4 | R.confirmed[1] << 5 | R.failed[2] << 6 | \
	 R.failed[3] << 7 | R.floor << 8 | R.self_starts << 10)

/* state.h: struct journal; stored as a number. */
#define IDLE 0
#define BEGIN 1
#define PROGRESS 2
#define WRITTEN 3
#define VERIFIED 4
#define COMMITTED 5
typedef Journal {
	byte step;
	byte package;
	byte target;
	byte images /* that are flushed */
};
#define PACKED_JOURNAL (J.step | J.package << 3 | J.target << 5 | J.images << 6)

Copy seen[2], kept[2];
Record R;
short kept_record;
Journal J;
byte kept_journal;
byte chunk[4], kept_chunk[4]; /* slot * 2 + image: the release whose bytes are there */
#define CHUNK(slot, image) ((slot) * 2 + (image))
#define WHOLE(slot) (chunk[CHUNK(slot, 0)] != RUBBISH && chunk[CHUNK(slot, 0)] == chunk[CHUNK(slot, 1)])

/* --- The world --- */

#define GOOD 0
#define HANGS 1 /* never gets as far as its confirmation: the watchdog restarts it */
#define FAILS 2 /* its health checks fail */
#define NO_BOOT 3 /* U-Boot refuses its boot image */
#define HANGS_LATER 4 /* confirms itself once */
byte slots; /* 1 or 2 */
byte behaves[4]; /* by release */
bool floors; /* the rollback floor of package 2 is 2; that of every other package is 1 */
#define FLOOR(package) (floors && (package) == 2 -> 2 : 1)
bool go_ahead; /* board tree: policy */
byte stick = 2; /* the package that is in reach */
byte worn = NOBODY; /* the slot whose medium holds nothing */
byte trouble = TROUBLE; /* that may still come */
byte keys = 1; /* that a person may still press */
byte requests = 1; /* that an update agent may still make */
bool lost; /* both copies of the flags were destroyed */

/* --- Where the device is, and its memory --- */

#define LOADER 0
#define RECOVERY 1
#define SYSTEM 2
byte runs = LOADER;
byte running = NOBODY; /* slot of the system that runs */
bool risk, off;
bool ended; /* a good system runs and nothing is left to do, or only a person can go on */

Flags F;
bool ok, anew, flipped, resume, stopped, settled, menu, has_system, needs_tries, by_hand, go, dirty, counted;
byte current, other, target, image, attempts, hint, n;

/* What only the properties know. */
bool proved[2]; /* the slot holds a system that has confirmed itself */
byte floor_promised = 1; /* the highest that was reported as stored */
bool unsound; /* the medium failed in this very run of the engine */
/* The good mark of a slot, as the flags would be after a cut. */
#define GOOD_IN(copy, slot) (copy.flags >> (8 + (slot)) & 1)
#define IS_DURABLY_GOOD(slot) \
	(kept[0].valid && (!kept[1].valid || !NEWER(kept[0].serial, kept[1].serial)) && GOOD_IN(kept[0], slot) || \
	 kept[1].valid && (!kept[0].valid || NEWER(kept[0].serial, kept[1].serial)) && GOOD_IN(kept[1], slot))

/*
 * Here, after a write and before its flush, the power may go: the process `power` says whether it does. What a cut at
 * any other place leaves is also left by one here: before the write, what it leaves when nothing of the write has
 * reached the medium; after the flush, what it leaves when all of it has.
 */
inline power_may_go()
{
	risk = true;
	!risk
}

inline copy_copy(to, from)
{
	d_step { to.valid = from.valid; to.serial = from.serial; to.flags = from.flags }
}
inline clear_copy(copy)
{
	d_step { copy.valid = false; copy.serial = 0; copy.flags = EMPTY_FLAGS }
}
inline read_flags(packed)
{
	d_step {
		F.order[0] = packed & 3;
		F.order[1] = packed >> 2 & 3;
		F.tries[0] = packed >> 4 & 3;
		F.tries[1] = packed >> 6 & 3;
		F.good[0] = packed >> 8 & 1;
		F.good[1] = packed >> 9 & 1;
		F.request = packed >> 10 & 1
	}
}

/* --- flags.c --- */

#define IN_ORDER(slot) (F.order[0] == slot || F.order[1] == slot)
inline flags_drop(slot)
{
	d_step {
		if
		:: F.order[0] == slot -> F.order[0] = F.order[1]; F.order[1] = NOBODY
		:: F.order[0] != slot && F.order[1] == slot -> F.order[1] = NOBODY
		:: else
		fi
	}
}
inline flags_prefer(slot)
{
	flags_drop(slot);
	d_step { F.order[1] = F.order[0]; F.order[0] = slot }
}
/* flags_mark_target(), flags_give_up() */
inline flags_mark_target(slot)
{
	flags_drop(slot);
	d_step { F.tries[slot] = 0; F.good[slot] = false }
}
/* flags_choice(): the slot that the boot script would start. */
#define CHOICE \
	(F.request -> NOBODY : (F.order[0] != NOBODY && F.tries[F.order[0] % 2] -> F.order[0] : \
	 (F.order[1] != NOBODY && F.tries[F.order[1] % 2] -> F.order[1] : NOBODY)))
/* may_be_target(): I11 */
#define MAY_BE_TARGET(slot) \
	((slot) != running && (BROKEN(only_good_is_target) || !(F.good[slot] && !F.good[1 - (slot)])))

/* --- ubootenv.c: the store of the boot flags --- */

/* newer(): 0 comes after the highest serial. */
#define WRAPPED(before, after) (!BROKEN(serial_without_wrap) && before == 3 && after == 0)
#define NEWER(s0, s1) (WRAPPED(s0, s1) -> 1 : (WRAPPED(s1, s0) -> 0 : (s1 > s0 -> 1 : 0)))

/* read_both(): the copy that counts. */
inline read_both()
{
	d_step {
		if
		:: seen[0].valid && seen[1].valid -> current = NEWER(seen[0].serial, seen[1].serial)
		:: seen[0].valid && !seen[1].valid -> current = 0
		:: !seen[0].valid && seen[1].valid -> current = 1
		:: else -> current = NOBODY
		fi
	}
}

/* lay_out() and the write: F goes to the copy that does not count, with the next serial. */
inline write_flags(may_be_rubbish)
{
	read_both();
	d_step {
		other = (current == NOBODY -> 0 : 1 - current);
		if
		:: BROKEN(flags_over_newer) && current != NOBODY -> other = current
		:: BROKEN(one_flag_copy) -> other = 0
		:: else
		fi;
		seen[other].serial = (current == NOBODY -> 1 : (seen[current % 2].serial + 1) % 4);
		seen[other].valid = true;
		seen[other].flags = PACKED_FLAGS
	}
	if
	:: true /* not on the medium yet */
	:: clear_copy(kept[other]) /* torn: its CRC is wrong */
	:: copy_copy(kept[other], seen[other]) /* on the medium already */
	:: may_be_rubbish && trouble > 0 -> trouble--; clear_copy(seen[other]); clear_copy(kept[other])
	fi
}
inline flush_flags()
{
	if
	:: BROKEN(flags_without_flush) && runs != LOADER
	:: else -> copy_copy(kept[other], seen[other])
	fi
}

/* env_store(): write, flush, look; once more when something else came back. (That it fails twice, and the copy is made
 * worthless then: tests/sim.) */
inline store_flags()
{
	/* I4: flags that are damaged are stored over only as something that is known */
	assert(current != NOBODY || anew);
	write_flags(true);
	power_may_go();
	flush_flags();
	if
	:: !seen[other].valid && !BROKEN(flags_not_read_back) ->
		write_flags(false);
		power_may_go();
		flush_flags()
	:: else
	fi;
	d_step { anew = false; other = 0; current = 0 }
}

/* install.c: flags_from_record(). A slot leaves the record before its first byte is overwritten; one below the floor
 * stays in it, and does not count. */
#define IN_RECORD(slot) \
	(R.confirmed[slot] && (!R.release[slot] || R.release[slot] >= R.floor || BROKEN(record_forgets_floor)))
inline flags_from_record()
{
	read_flags(EMPTY_FLAGS);
	d_step {
		n = 0;
		do
		:: n < slots && IN_RECORD(n) ->
			F.tries[n] = TRIES;
			F.good[n] = true;
			F.order[(F.order[0] == NOBODY -> 0 : 1)] = n;
			n++
		:: n < slots && !IN_RECORD(n) -> n++
		:: n >= slots -> break
		od;
		n = 0;
		if
		:: F.order[1] == 1 && R.release[1] > R.release[0] -> F.order[0] = 1; F.order[1] = 0
		:: else
		fi
	}
}

/* env_load() and install_load_flags(): in recovery, what the device record knows stands in for flags that are damaged
 * in both copies, and the next store writes them anew. */
inline load_flags(may_be_anew)
{
	read_both();
	ok = current != NOBODY || may_be_anew;
	anew = current == NOBODY && may_be_anew;
	if
	:: current != NOBODY -> read_flags(seen[current % 2].flags)
	:: anew -> flags_from_record()
	:: else -> read_flags(EMPTY_FLAGS)
	fi
}

/* --- state.c and ring.c: a block is appended, then flushed --- */

inline store_record()
{
	d_step {
		/* state_store_record(): never below what is stored (I7) */
		if
		:: R.floor < floor_promised && !BROKEN(floor_goes_down) -> R.floor = floor_promised
		:: else
		fi;
		/* I7: the floor has only risen for a release whose good mark is durable */
		assert(R.floor <= floor_promised || R.release[0] == R.floor && IS_DURABLY_GOOD(0) ||
		       R.release[1] == R.floor && IS_DURABLY_GOOD(1))
	}
	if
	:: true
	:: kept_record = PACKED_RECORD
	:: BROKEN(record_in_place) -> kept_record = 0
	fi;
	power_may_go();
	d_step {
		if
		:: BROKEN(record_without_flush)
		:: else -> kept_record = PACKED_RECORD
		fi;
		/* I7: the floor never goes down */
		assert(R.floor >= floor_promised);
		floor_promised = R.floor
	}
}

inline store_journal()
{
	if
	:: true
	:: kept_journal = PACKED_JOURNAL
	fi;
	power_may_go();
	d_step {
		if
		:: BROKEN(journal_without_flush)
		:: else -> kept_journal = PACKED_JOURNAL
		fi;
		n = 0;
		do
		:: J.step != IDLE && n < J.images ->
			/* I3: what the record calls done is on the medium */
			assert(kept_chunk[CHUNK(J.target, n)] == chunk[CHUNK(J.target, n)]);
			n++
		:: else -> break
		od;
		n = 0
	}
}
inline end_journal()
{
	if
	:: J.step != IDLE ->
		d_step { J.step = IDLE; J.package = 0; J.target = 0; J.images = 0 }
		store_journal()
	:: else
	fi
}

/* --- The boot loader: qemu/boot.cmd --- */

/* `env save`: on the medium when it returns. */
inline env_save()
{
	write_flags(false);
	power_may_go();
	flush_flags();
	d_step { other = 0; current = 0 }
}

inline boot_loader()
{
	read_both();
	n = 0;
	if
	:: current != NOBODY -> read_flags(seen[current].flags)
	:: else ->
		/* the compiled-in environment: recovery */
		read_flags(EMPTY_FLAGS);
		if
		:: BROKEN(damaged_is_bootable) ->
			d_step {
				F.order[0] = 0; F.tries[0] = TRIES;
				F.order[1] = (slots == 2 -> 1 : NOBODY); F.tries[1] = (slots - 1) * TRIES
			}
		:: else
		fi
	fi;
	do
	:: runs == LOADER && !F.request && n < 2 && F.order[n] != NOBODY && F.tries[F.order[n]] > 0 ->
		/* I4: what the flags name is whole, whether its boot image would verify or not */
		assert(WHOLE(F.order[n]));
		/* I7: and not older than the floor */
		assert(chunk[CHUNK(F.order[n], 0)] >= R.floor);
		F.tries[F.order[n]] = F.tries[F.order[n]] - (BROKEN(try_not_taken) -> 0 : 1);
		env_save();
		if
		:: behaves[chunk[CHUNK(F.order[n], 0)]] != NO_BOOT ->
			d_step { running = F.order[n]; runs = SYSTEM }
		:: else ->
			F.tries[F.order[n]] = 0;
			env_save();
			n++
		fi
	:: runs == LOADER && !F.request && n < 2 && F.order[n] != NOBODY && F.tries[F.order[n]] == 0 -> n++
	:: runs == LOADER && (F.request || n == 2 || F.order[n % 2] == NOBODY) -> runs = RECOVERY
	:: runs != LOADER -> break
	od;
	n = 0;
	current = 0;
	read_flags(EMPTY_FLAGS)
}

/* --- install_trial.c --- */

/* keep_confirmation(): the good mark is durable; now the floor may rise (I7), and then the journal ends. */
#define ITS_JOURNAL(slot) (J.step != IDLE && J.target == slot && J.package == R.release[slot])
inline keep_confirmation(slot)
{
	dirty = !R.confirmed[slot] || R.self_starts > 0 || R.failed[R.release[slot]];
	R.confirmed[slot] = true;
	R.self_starts = 0;
	R.failed[R.release[slot]] = false;
	if
	:: ITS_JOURNAL(slot) && (R.floor < FLOOR(J.package) || BROKEN(floor_goes_down)) ->
		R.floor = FLOOR(J.package);
		dirty = true
	:: else
	fi;
	if
	:: BROKEN(journal_ends_first) -> end_journal()
	:: else
	fi;
	if
	:: dirty -> dirty = false; store_record()
	:: else
	fi;
	if
	:: J.target == slot -> end_journal()
	:: else
	fi
}

/* was_flipped(): the flags alone say so. */
#define WAS_FLIPPED (J.step != IDLE && IN_ORDER(J.target))

/* install_settle(): at every start, before anything else. */
inline settle()
{
	load_flags(false);
	flipped = ok && WAS_FLIPPED;
	if
	:: flipped && F.good[J.target] -> target = J.target; keep_confirmation(target); target = 0
	:: flipped && !F.good[J.target] && !F.tries[J.target] && running != J.target ->
		/* trial_failed(): the report, the flags, then the journal */
		/* I6: a release that would confirm itself does not fail its trial, but for as many cuts as tries */
		assert(behaves[J.package] != GOOD && behaves[J.package] != HANGS_LATER || TROUBLE >= TRIES);
		R.failed[J.package] = !BROKEN(failed_trial_repeated);
		store_record();
		flags_mark_target(J.target);
		dirty = true
	:: else ->
		/* settle_fallback(): what runs instead of a good system that did not come up comes first now */
		if
		:: ok && running != NOBODY && F.order[0] != NOBODY && F.order[0] != running &&
		   F.good[F.order[0]] && !F.tries[F.order[0]] ->
			flags_prefer(running);
			dirty = true
		:: else
		fi
	fi;
	if
	:: dirty -> dirty = false; store_flags()
	:: else
	fi;
	/* also what a cut left: was_given_up() */
	if
	:: ok && J.step == COMMITTED && !IN_ORDER(J.target) -> end_journal()
	:: else
	fi;
	flipped = false
}

/* install_confirm(): flags, then floor and record, then journal. */
inline confirm()
{
	load_flags(false);
	if
	:: ok ->
		if
		:: BROKEN(floor_before_flags) -> keep_confirmation(running)
		:: else
		fi;
		dirty = !F.good[running] || F.tries[running] != TRIES || !IN_ORDER(running);
		/* flags_confirm() */
		if
		:: !IN_ORDER(running) -> flags_prefer(running)
		:: else
		fi;
		d_step { F.tries[running] = TRIES; F.good[running] = true; proved[running] = true }
		/* drop_below_floor() */
		n = (ITS_JOURNAL(running) && R.floor < FLOOR(J.package) -> FLOOR(J.package) : R.floor);
		if
		:: slots == 2 && R.release[1 - running] && R.release[1 - running] < n && !BROKEN(below_floor_stays) ->
			dirty = dirty || IN_ORDER(1 - running) || F.tries[1 - running] || F.good[1 - running];
			flags_mark_target(1 - running)
		:: else
		fi;
		n = 0;
		if
		:: dirty -> dirty = false; store_flags()
		:: else
		fi;
		keep_confirmation(running)
	:: else
	fi
}

/* install_reject(): its health checks failed; on trial it is given up. verb_confirm then restarts the device. */
inline reject()
{
	load_flags(false);
	if
	:: ok && !F.good[running] ->
		R.failed[R.release[running]] = true;
		store_record();
		flags_mark_target(running);
		store_flags();
		if
		:: J.target == running -> end_journal()
		:: else
		fi
	:: else
	fi
}

/* --- install_recovery.c --- */

/* install_leave_recovery(): good systems without tries get new ones, but not for ever (I8). ok. */
inline leave_recovery(again)
{
	load_flags(true);
	dirty = anew || F.request;
	/* what gives tries, or stores nothing else */
	counted = !by_hand && ((again) || !F.request);
	F.request = false;
	if
	:: counted && R.self_starts >= SELF_STARTS && !BROKEN(self_starts_without_bound) -> ok = false
	:: (!counted || R.self_starts < SELF_STARTS || BROKEN(self_starts_without_bound)) && (again) ->
		/* renew_tries() */
		dirty = dirty || F.good[0] && !F.tries[0] || F.good[1] && !F.tries[1];
		if
		:: F.good[0] && !F.tries[0] ->
			if :: !IN_ORDER(0) -> flags_prefer(0) :: else fi;
			F.tries[0] = TRIES
		:: else
		fi;
		if
		:: F.good[1] && !F.tries[1] ->
			if :: !IN_ORDER(1) -> flags_prefer(1) :: else fi;
			F.tries[1] = TRIES
		:: else
		fi;
		ok = CHOICE != NOBODY
	:: else
	fi;
	if
	:: ok && counted ->
		R.self_starts = (R.self_starts < SELF_STARTS -> R.self_starts + 1 : SELF_STARTS);
		store_record()
	:: else
	fi;
	if
	:: ok && dirty -> dirty = false; store_flags()
	:: else -> dirty = false
	fi;
	counted = false
}

/* --- install.c and run.c: the order of steps --- */

/* plan.c: choose_target(), with flags_target(). NOBODY: there is none. */
inline choose_target()
{
	if
	:: slots == 1 -> target = (running == NOBODY -> 0 : NOBODY)
	:: else ->
		/* rather not the slot that would be started next */
		n = CHOICE;
		n = (running != NOBODY -> running : (n != NOBODY -> n : (F.order[0] != NOBODY -> F.order[0] : 1)));
		/* I6: what was begun goes on where it was begun */
		target = (resume && MAY_BE_TARGET(J.target) -> J.target :
			  (MAY_BE_TARGET(1 - n) -> 1 - n : (MAY_BE_TARGET(n) -> n : NOBODY)));
		n = 0
	fi
}

/* mark_target(): I2. Flags that are damaged start nothing: they are written anew when there is a proved system. */
inline mark_target()
{
	dirty = (IN_ORDER(target) || F.tries[target] || F.good[target]) && !anew;
	flags_mark_target(target);
	if
	:: dirty -> dirty = false; store_flags()
	:: else
	fi;
	if
	:: (R.release[target] || R.confirmed[target]) && !BROKEN(mark_leaves_record) ->
		d_step { R.release[target] = 0; R.confirmed[target] = false }
		store_record()
	:: else
	fi
}

/* begin_journal(), with keep_pending(): I3 */
inline begin_journal()
{
	hint = (resume && J.target == target -> J.images : 0);
	if
	:: !resume -> end_journal()
	:: else
	fi;
	d_step { J.step = BEGIN; J.package = stick; J.target = target; J.images = hint }
	store_journal()
}

/* take_chunk(): already_there() or write_chunk(). (I1: every chunk here is the package's own.) */
#define TRUSTED (BROKEN(resume_trusts_journal) && image < hint)
inline write_image()
{
	if
	:: chunk[CHUNK(target, image)] == stick || TRUSTED /* already_there(): read and hashed (I9) */
	:: !TRUSTED -> /* worth_comparing(): it is not always looked at */
		/* I3: the journal has announced it */
		assert((kept_journal & 7) != IDLE && (kept_journal & 7) <= VERIFIED &&
		       (kept_journal >> 3 & 3) == stick && (kept_journal >> 5 & 1) == target);
		/* I11: the only slot that has confirmed itself is no target */
		assert(slots == 1 || !proved[target] || IS_DURABLY_GOOD(1 - target) ||
		       anew && R.confirmed[1 - target]);
		proved[target] = false;
		chunk[CHUNK(target, image)] = (worn == target -> RUBBISH : stick);
		if
		:: true
		:: trouble > 0 -> trouble--; unsound = true; chunk[CHUNK(target, image)] = RUBBISH
		fi;
		if
		:: true
		:: kept_chunk[CHUNK(target, image)] = RUBBISH
		:: kept_chunk[CHUNK(target, image)] = chunk[CHUNK(target, image)]
		fi;
		power_may_go()
	fi
}
inline flush_image()
{
	if
	:: BROKEN(target_without_flush)
	:: else -> kept_chunk[CHUNK(target, image)] = chunk[CHUNK(target, image)]
	fi
}

/* run_write(): an image is written and flushed (checkpoint()), and then a record says so: I3. */
inline run_write()
{
	do
	:: ok && image < 2 && trouble > 0 -> d_step { trouble--; ok = false; stopped = true }
	:: ok && image < 2 ->
		write_image();
		if
		:: !BROKEN(journal_before_flush) -> flush_image()
		:: else
		fi;
		if
		:: BROKEN(mark_late) && image == 0 -> mark_target()
		:: BROKEN(journal_late) && image == 0 -> begin_journal()
		:: else
		fi;
		d_step { J.step = (image == 1 -> WRITTEN : PROGRESS); J.images = image + 1 }
		store_journal();
		if
		:: BROKEN(journal_before_flush) -> flush_image()
		:: else
		fi;
		image++
	:: else -> break
	od;
	image = 0
}

/* run_read_back(): the whole target from the medium, past every cache. I5, first half. */
inline run_read_back()
{
	if
	:: ok && chunk[CHUNK(target, 0)] == stick && chunk[CHUNK(target, 1)] == stick ->
		J.step = VERIFIED;
		store_journal()
	:: ok && !(chunk[CHUNK(target, 0)] == stick && chunk[CHUNK(target, 1)] == stick) ->
		/* I6, I9: whatever earlier runs left, only a medium that fails in this run makes it fail */
		assert(unsound || worn == target);
		ok = false
	:: !ok
	fi
}

/* commit(): I5, second half: one store flips. */
inline commit()
{
	if
	:: ok ->
		d_step {
			R.release[target] = stick;
			R.confirmed[target] = false;
			if
			:: BROKEN(floor_at_install) && R.floor < FLOOR(stick) -> R.floor = FLOOR(stick)
			:: else
			fi
		}
		store_record();
		flags_prefer(target);
		F.request = F.request && BROKEN(request_not_cleared);
		if
		:: BROKEN(flip_in_two_stores) -> store_flags()
		:: else
		fi;
		d_step { F.tries[target] = TRIES; F.good[target] = false }
		store_flags();
		d_step { J.step = COMMITTED }
		store_journal()
	:: else
	fi
}

/* install_run(). ok: the flags were flipped. */
inline install()
{
	/* check_and_plan() */
	d_step { unsound = false; stopped = false }
	load_flags(running == NOBODY);
	resume = J.step >= BEGIN && J.step <= VERIFIED && J.package == stick;
	ok = ok && stick >= R.floor; /* BELOW_FLOOR */
	if
	:: ok -> choose_target(); ok = target != NOBODY; target = (ok -> target : 0)
	:: else
	fi;
	if
	:: ok ->
		if
		:: !BROKEN(mark_missing) && !BROKEN(mark_late) -> mark_target()
		:: else
		fi;
		if
		:: !BROKEN(journal_late) -> begin_journal()
		:: else
		fi;
		run_write();
		if
		:: BROKEN(flip_before_read_back) -> commit()
		:: else
		fi;
		run_read_back();
		if
		:: !BROKEN(flip_before_read_back) -> commit()
		:: else
		fi
	:: else
	fi;
	d_step { unsound = false; resume = false; anew = false; dirty = false; target = 0; hint = 0; current = 0 }
	read_flags(EMPTY_FLAGS)
}

/* --- Recovery: recover.c, offer.c, session.c --- */

#define MAY_START_ITSELF (R.self_starts < SELF_STARTS || BROKEN(self_starts_without_bound))

/* install_may_leave(), pending(), agree(): what happens without a person. */
inline look()
{
	load_flags(true);
	counted = !F.request;
	F.request = false;
	needs_tries = CHOICE == NOBODY || anew;
	has_system = CHOICE != NOBODY || F.good[0] || F.good[1];
	/* an interrupted install goes on, and who has nothing to lose takes what there is */
	resume = J.step != IDLE && J.step != COMMITTED && !WAS_FLIPPED && J.package == stick;
	go = (resume || go_ahead || !has_system) && !menu && stick >= R.floor && !R.failed[stick] &&
	     (attempts < ATTEMPTS_MAX || BROKEN(attempts_without_bound));
	has_system = has_system && (!(counted || needs_tries) || MAY_START_ITSELF);
	d_step { counted = false; resume = false; anew = false; ok = false; current = 0 }
	read_flags(EMPTY_FLAGS)
}

inline recovery()
{
	look();
	if
	:: go
	:: !go && has_system -> d_step { by_hand = false; menu = false } /* idle(): nobody came */
	:: !go && keys > 0 -> d_step { keys--; go = true; by_hand = true; attempts = 0 } /* install */
	:: !go && keys > 0 -> d_step { keys--; by_hand = true } /* start the system */
	:: !go && keys > 0 && stick == 2 -> d_step { keys--; stick = 3; menu = false; attempts = 0 }
	:: !go && keys == 0 && !has_system ->
		/* I8: nobody but a person can go on, and there is a reason for that */
		assert(menu || R.failed[stick] || attempts == ATTEMPTS_MAX || R.self_starts == SELF_STARTS);
		ended = true;
		risk = true;
end_waits:	false
	fi;
	if
	:: !go && (has_system || by_hand) ->
		leave_recovery(needs_tries || by_hand);
		if
		:: ok -> runs = LOADER
		:: else -> menu = true
		fi
	:: else
	fi;
	d_step { by_hand = false; has_system = false; needs_tries = false }
}

/* after_install() */
inline after_install_in_recovery()
{
	if
	:: ok -> runs = LOADER
	:: !ok && stopped -> stopped = false /* the stick comes back, and that counts for nothing */
	:: !ok && !stopped ->
		d_step {
			attempts = (attempts < ATTEMPTS_MAX -> attempts + 1 : ATTEMPTS_MAX);
			menu = !BROKEN(attempts_without_bound)
		}
	fi
}

/* --- The running system: its confirmation, and the agent that updates it --- */

#define RELEASE chunk[CHUNK(running, 0)]
#define IS_WANTED (stick > RELEASE && stick >= R.floor && !R.failed[stick])

inline running_system()
{
	if
	:: !settled && (behaves[RELEASE] == HANGS || behaves[RELEASE] == HANGS_LATER && R.confirmed[running]) ->
		runs = LOADER
	:: !settled && behaves[RELEASE] == FAILS -> settle(); reject(); runs = LOADER
	:: !settled && (behaves[RELEASE] == GOOD || behaves[RELEASE] == HANGS_LATER && !R.confirmed[running]) ->
		settle();
		confirm();
		settled = true
	:: !settled && slots == 2 && requests > 0 && stick > RELEASE -> /* it does not wait for the confirmation */
		d_step { requests--; go = true }
	:: !settled && slots == 2 && requests > 0 && RELEASE == 2 -> /* nor does who publishes the next release */
		d_step { requests--; stick = 3; go = true }
	:: settled && IS_WANTED && slots == 2 && attempts < ATTEMPTS_MAX ->
		d_step { attempts++; go = true }
	:: settled && IS_WANTED && slots == 1 && requests > 0 ->
		/* install_request_recovery() */
		requests--;
		load_flags(false); F.request = true;
		store_flags();
		runs = LOADER
	:: settled && !(IS_WANTED && (slots == 2 -> attempts < ATTEMPTS_MAX : requests > 0)) ->
		/* I7: a system that runs and is good has left nothing of its confirmation undone */
		assert(R.floor >= FLOOR(RELEASE) && R.confirmed[running] && J.step != COMMITTED);
		ended = true;
		risk = true;
end_runs:	false
	fi
}

/* --- Power --- */

/* Memory is gone; what was not flushed is what has become of it. */
inline restart()
{
	d_step {
		runs = LOADER; running = NOBODY; ended = false;
		ok = false; anew = false; flipped = false; resume = false; stopped = false; settled = false;
		menu = false; has_system = false; needs_tries = false; by_hand = false; go = false; dirty = false; counted = false;
		unsound = false;
		current = 0; other = 0; target = 0; image = 0; attempts = 0; hint = 0; n = 0;
		chunk[0] = kept_chunk[0];
		chunk[1] = kept_chunk[1];
		chunk[2] = kept_chunk[2];
		chunk[3] = kept_chunk[3];
		R.release[0] = kept_record & 3;
		R.release[1] = kept_record >> 2 & 3;
		R.confirmed[0] = kept_record >> 4 & 1;
		R.confirmed[1] = kept_record >> 5 & 1;
		R.failed[2] = kept_record >> 6 & 1;
		R.failed[3] = kept_record >> 7 & 1;
		R.floor = kept_record >> 8 & 3;
		R.self_starts = kept_record >> 10 & 3;
		J.step = kept_journal & 7;
		J.package = kept_journal >> 3 & 3;
		J.target = kept_journal >> 5 & 1;
		J.images = kept_journal >> 6;
		/* I7: what was promised is there */
		assert(R.floor >= floor_promised);
		floor_promised = R.floor;
		/* that a slot has proved itself is known to the flags or to the record, or to nobody */
		proved[0] = proved[0] && (IS_DURABLY_GOOD(0) || R.confirmed[0]);
		proved[1] = proved[1] && (IS_DURABLY_GOOD(1) || R.confirmed[1])
	}
	copy_copy(seen[0], kept[0]);
	copy_copy(seen[1], kept[1]);
	read_flags(EMPTY_FLAGS);
	/* I4: a cut never damages both copies */
	assert(seen[0].valid || seen[1].valid || lost)
}

proctype device()
{
	do
	:: {
		atomic {
			boot_loader();
			do
			:: go ->
				go = false;
				install();
				if
				:: runs == RECOVERY -> after_install_in_recovery()
				:: runs == SYSTEM && ok -> runs = LOADER
				:: else
				fi
			:: !go && runs == RECOVERY && !settled -> settle(); settled = true
			:: !go && runs == RECOVERY && settled -> recovery()
			:: !go && runs == SYSTEM -> running_system()
			:: !go && runs == LOADER -> break
			od;
			restart()
		}
	   } unless {
		atomic { off -> off = false; risk = false; restart() }
	   }
	od
}

/* Wherever it may go, it goes or it stays. */
proctype power()
{
end_stays:
	do
	:: atomic {
		risk ->
		if
		:: risk = false
		:: trouble > 0 -> trouble--; off = true
		:: trouble > 1 -> /* and the flags are destroyed */
			trouble = trouble - 2;
			off = true;
			lost = true;
			clear_copy(kept[0]);
			clear_copy(kept[1])
		fi
	   }
	od
}

init
{
	atomic {
		clear_copy(seen[0]);
		clear_copy(seen[1]);
		d_step { seen[0].valid = true; seen[0].serial = 2; R.floor = 1 }
		/* A device as it leaves the factory (but for the last world), and the world around it. */
		read_flags(EMPTY_FLAGS);
		d_step {
			F.order[0] = 0; F.tries[0] = TRIES; F.good[0] = true;
			R.release[0] = 1; R.confirmed[0] = true;
			chunk[0] = 1; chunk[1] = 1; proved[0] = true
		}
		if :: slots = 1 :: slots = 2 fi;
		if
		:: behaves[2] = GOOD; floors = true; if :: go_ahead = true :: true fi
		:: behaves[2] = GOOD; if :: go_ahead = true :: true fi
		:: behaves[2] = HANGS; floors = true
		:: behaves[2] = FAILS; floors = true
		:: behaves[2] = NO_BOOT; floors = true
		:: behaves[2] = HANGS_LATER; floors = true
		:: behaves[2] = HANGS_LATER
		:: worn = slots - 1
		:: d_step {
			/* blank */
			F.order[0] = NOBODY; F.tries[0] = 0; F.good[0] = false;
			R.release[0] = 0; R.confirmed[0] = false;
			chunk[0] = RUBBISH; chunk[1] = RUBBISH; proved[0] = false
		   }
		fi;
		seen[0].flags = PACKED_FLAGS;
		read_flags(EMPTY_FLAGS);
		copy_copy(kept[0], seen[0]);
		copy_copy(kept[1], seen[1]);
		kept_record = PACKED_RECORD;
		kept_chunk[0] = chunk[0];
		kept_chunk[1] = chunk[1];
		run power();
		run device()
	}
}

/* With fair power (the cuts are bounded) every update ends. */
ltl ends { <>[] ended }
