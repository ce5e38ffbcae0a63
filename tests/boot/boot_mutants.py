#!/usr/bin/python3
"""That the boot matrix can fail: the boot script with one mistake at a time, each of which it has to find.

    tests/boot/boot_mutants.py [WORD...]        only the mutants whose name has one of these words
"""
import os
import sys
import time

import bench
import boot_matrix

# Name, what the script says, what the mutant says instead.
MUTANTS = [
    ("a try is not taken away", "\t\t\tsetenv BOOT_${lb_slot}_LEFT $lb_next\n", ""),
    ("a try that is taken away is not stored", "if env save; then\n\t\t\t\tlb_go=1", "if true; then\n\t\t\t\tlb_go=1"),
    ("a slot on trial is started without a store", 'if test "$lb_good" = "1"; then lb_go=1; fi', "lb_go=1"),
    ("a good slot is not started without a store", 'if test "$lb_good" = "1"; then lb_go=1; fi', "true"),
    ("order B A is taken for A B", 'lb_order="B A"; lb_reason', 'lb_order="A B"; lb_reason'),
    ("order B tries A too", '= "B"; then lb_order="B";', '= "B"; then lb_order="B A";'),
    ("nothing comes after the first slot", '= "A B"; then lb_order="A B";', '= "A B"; then lb_order="A";'),
    ("recovery comes before the slots", "for lb_s in $lb_order R a b", "for lb_s in R $lb_order a b"),
    ("no last resort", "for lb_s in $lb_order R a b", "for lb_s in $lb_order R"),
    ("the last resort is B before A", "for lb_s in $lb_order R a b", "for lb_s in $lb_order R b a"),
    ("the last resort may be on trial", "if test $lb_must = 1; then", "if test $lb_must = 2; then"),
    ("the request is not obeyed", 'if test "$BOOT_RECOVERY" = "1"; then lb_order=none;',
     'if test "$BOOT_RECOVERY" = "1"; then'),
    ("the request has another reason", "lb_reason=request", "lb_reason=no-slot"),
    ("damage has another reason", "lb_reason=environment-damaged", "lb_reason=no-slot"),
    ("a stored default environment is obeyed", '"default"; then lb_order=none; lb_reason', '"default"; then lb_reason'),
    ("two tries are taken away", '= "3"; then lb_next=2', '= "3"; then lb_next=1'),
    ("3 is no number of tries", '\t\tif test "$lb_left" = "3"; then lb_next=2; fi\n', ""),
    ("9 is no number of tries", '\t\tif test "$lb_left" = "9"; then lb_next=8; fi\n', ""),
    ("0 is a number of tries", "lb_next=none\n", 'lb_next=none\nif test "$lb_left" = "0"; then lb_next=0; fi\n'),
    ("a broken image keeps its tries", "\t\t\tsetenv BOOT_${lb_slot}_LEFT 0\n\t\t\tenv save\n", ""),
    ("that an image is broken is not stored", "LEFT 0\n\t\t\tenv save\n", "LEFT 0\n"),
    ("that an image is broken is no reason", "\t\tlb_reason=boot-image-invalid\n", ""),
    ("B runs on the root of A", "lb_part=boot_b; lb_root=system_b", "lb_part=boot_b; lb_root=system_a"),
    ("B is started from the image of A", "lb_part=boot_b; lb_root", "lb_part=boot_a; lb_root"),
    ("a slot without a root is started", "if test $lb_found = 0; then lb_go=0;", "if test $lb_found = 0; then"),
    ("any configuration of an image is started", "bootm 0x48000000#system -", "bootm 0x48000000 -"),
    ("an image may be larger than its room", "-gt 0x1000000", "-gt 0x10000000"),
    ("an image may be larger than its partition", "if test 0x$lb_blocks -gt 0x$lb_size; then lb_ok=0; fi", "true"),
    ("a value stands without quotes", 'test "$BOOT_RECOVERY" = "1"', "test $BOOT_RECOVERY = 1"),
    ("the script's own names are stored", "\t\t\tsetenv lb_number; setenv lb_uuid\n", ""),
    ("the environment adds to the command line", "lifeboat.reason=$lb_reason\n",
     "lifeboat.reason=$lb_reason $bootargs\n"),
    ("the reason comes from the environment", "lb_reason=request", "lb_reason=$BOOT_RECOVERY_REASON"),
    ("the address of the control tree is stored", "setenv fdtcontroladdr\n", ""),
]
# Quick ones that find much first.
GROUPS = ["values", "tables", "media", "images", "odd"]


def main():
    with open(os.path.join(bench.TOP, "qemu", "boot.cmd")) as f:
        script = f.read()
    boot_matrix.prepare()
    cases = boot_matrix.all_of(GROUPS)
    start, total, survived = time.monotonic(), 0, []
    folder = os.path.join(bench.OUT, "mutant")
    os.makedirs(folder, exist_ok=True)
    for name, old, new in MUTANTS:
        if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
            continue
        if old not in script:
            sys.exit("tests/boot/boot_mutants.py: %s: the boot script does not say %r any more" % (name, old))
        bench.make_tree(folder, script.replace(old, new))
        _, failures = boot_matrix.run_cases(cases, 1)
        total += 1
        found = "found by " + failures[0].split(" ")[0].rstrip(":") if failures else "NOT FOUND"
        print("  MUTANT    %-52s %s" % (name, found))
        sys.stdout.flush()
        if not failures:
            survived.append(name)
    print("figure: boot_mutants_total = %d mutants" % total)
    print("figure: boot_mutants_caught = %d mutants" % (total - len(survived)))
    print("%d passed, %d failed in %.0f s" % (total - len(survived), len(survived), time.monotonic() - start))
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
