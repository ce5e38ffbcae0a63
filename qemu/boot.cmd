# The boot script of the reference boards. The build strips comments and puts it into the control device tree as
# /config/bootcmd, which U-Boot prefers to anything in the environment; with CONFIG_BOOTDELAY=-2 it starts without
# looking at the console, and Ctrl-C is off.
#
# What it reads from the environment (the model is in recovery/core/flags.h):
#   BOOT_ORDER                 slots in the order in which they are tried: "A B", "B A", "A", "B" or empty
#   BOOT_A_LEFT, BOOT_B_LEFT   tries that a slot has left, 0 to 9
#   BOOT_A_GOOD, BOOT_B_GOOD   1 when the slot's system has confirmed itself
#   BOOT_RECOVERY              1 when recovery was asked for; lifeboat takes it back
#
# The environment is untrusted: anybody who can write the card can write it. So its values are only compared with
# constants and never become part of another command, no text of it reaches a kernel's command line, and variables
# that would weaken the boot are locked when U-Boot is built (recovery/components/u-boot.common). A hostile value can
# at most choose among the outcomes that an honest one can choose among. (A quote in a value can make U-Boot's `test`
# say yes; it cannot start a command, because what is substituted is not read for separators again.) What it does with
# every environment that matters is shown by tests/boot.
#
# Names that start with lb_ are the script's own. U-Boot's shell looks into the environment before it looks at a
# script's variables, so the build puts lines before this script that remove every such name from the environment.

# Where U-Boot keeps the control device tree; the variable itself has no place in the stored environment.
lb_tree=$fdtcontroladdr
setenv fdtcontroladdr

# "none" and not an empty value: an assignment of nothing leaves a variable of U-Boot's shell as it was.
lb_order=none
lb_reason=no-slot
if test "$BOOT_ORDER" = "A B"; then lb_order="A B"; lb_reason=no-tries-left; fi
if test "$BOOT_ORDER" = "B A"; then lb_order="B A"; lb_reason=no-tries-left; fi
if test "$BOOT_ORDER" = "A"; then lb_order="A"; lb_reason=no-tries-left; fi
if test "$BOOT_ORDER" = "B"; then lb_order="B"; lb_reason=no-tries-left; fi
if test "$BOOT_ENVIRONMENT" = "default"; then lb_order=none; lb_reason=environment-damaged; fi
if test "$BOOT_RECOVERY" = "1"; then lb_order=none; lb_reason=request; fi

# R is recovery. What stands after it is the last resort, for a device whose recovery does not verify: a slot that
# is known to be good and has tries left.
for lb_s in $lb_order R a b; do
	lb_go=0
	lb_must=0
	lb_left=none
	lb_good=none
	if test $lb_s = A -o $lb_s = a; then
		lb_slot=A; lb_part=boot_a; lb_root=system_a; lb_left="$BOOT_A_LEFT"; lb_good="$BOOT_A_GOOD"
	fi
	if test $lb_s = B -o $lb_s = b; then
		lb_slot=B; lb_part=boot_b; lb_root=system_b; lb_left="$BOOT_B_LEFT"; lb_good="$BOOT_B_GOOD"
	fi
	if test $lb_s = a -o $lb_s = b; then lb_must=1; fi

	if test $lb_s = R; then
		lb_go=1
		lb_slot=recovery
		lb_part=recovery
		setenv bootargs console=ttyAMA0 quiet panic=5 gpt lifeboat.mode=recovery lifeboat.reason=$lb_reason
	else
		# One less, or nothing for a number that no slot can have.
		lb_next=none
		if test "$lb_left" = "1"; then lb_next=0; fi
		if test "$lb_left" = "2"; then lb_next=1; fi
		if test "$lb_left" = "3"; then lb_next=2; fi
		if test "$lb_left" = "4"; then lb_next=3; fi
		if test "$lb_left" = "5"; then lb_next=4; fi
		if test "$lb_left" = "6"; then lb_next=5; fi
		if test "$lb_left" = "7"; then lb_next=6; fi
		if test "$lb_left" = "8"; then lb_next=7; fi
		if test "$lb_left" = "9"; then lb_next=8; fi
		if test $lb_must = 1; then
			if test "$lb_good" != "1"; then lb_next=none; fi
		fi
		if test $lb_next != none; then
			# A try is taken away before the slot is started. If that cannot be stored, a slot on trial
			# would be tried for ever, so only a good one is started then.
			setenv bootargs; setenv fdtaddr; setenv lb_start; setenv lb_size; setenv lb_total; setenv lb_blocks
			setenv lb_number; setenv lb_uuid
			setenv BOOT_${lb_slot}_LEFT $lb_next
			if env save; then
				lb_go=1
			else
				echo "Lifeboat: the environment could not be written"
				if test "$lb_good" = "1"; then lb_go=1; fi
			fi
			# The root filesystem by the UUID of the partition on the card that U-Boot reads: a label would be
			# looked for on every stick and card. "gpt": when one copy of the table is damaged, Linux takes the
			# other one, as U-Boot and lifeboat do.
			lb_found=0
			if part number mmc 0 $lb_root lb_number; then
				if part uuid mmc 0:$lb_number lb_uuid; then lb_found=1; fi
			fi
			if test $lb_found = 0; then lb_go=0; echo "Lifeboat: there is no partition $lb_root"; fi
			setenv bootargs console=ttyAMA0 quiet panic=5 gpt ro rootwait root=PARTUUID=$lb_uuid lifeboat.slot=$lb_slot
		fi
	fi

	if test $lb_go = 1; then
		echo "Lifeboat: starting $lb_slot"
		# The image says in its header how long it is. At most 16 MiB are read: what is not verified yet must
		# not reach U-Boot's own memory, whatever header or partition table say.
		lb_ok=0
		if part start mmc 0 $lb_part lb_start; then
			if part size mmc 0 $lb_part lb_size; then
				if mmc read 0x48000000 $lb_start 1; then
					if fdt addr 0x48000000; then
						if fdt header get lb_total totalsize; then lb_ok=1; fi
					fi
				fi
			fi
		fi
		if test $lb_ok = 1; then
			if test 0x$lb_total -gt 0x1000000; then lb_ok=0; fi
			setexpr lb_blocks 0x$lb_total + 0x1ff
			setexpr lb_blocks 0x$lb_blocks / 0x200
			if test 0x$lb_blocks -gt 0x$lb_size; then lb_ok=0; fi
		fi
		if test $lb_ok = 1; then
			if mmc read 0x48000000 $lb_start 0x$lb_blocks; then
				# Returns only when the image does not verify.
				if test $lb_s = R; then
					bootm 0x48000000#recovery 0x48000000#recovery $lb_tree
				else
					bootm 0x48000000#system - $lb_tree
				fi
			fi
		fi
		echo "Lifeboat: the boot image of $lb_slot is not valid"
		lb_reason=boot-image-invalid
		if test $lb_s != R; then
			setenv bootargs; setenv fdtaddr; setenv lb_start; setenv lb_size; setenv lb_total; setenv lb_blocks
			setenv lb_number; setenv lb_uuid
			setenv BOOT_${lb_slot}_LEFT 0
			env save
		fi
	fi
done

echo "Lifeboat: neither recovery nor a system on this device can be started; it has to be written anew."
echo "Trying again in one minute."
sleep 60
reset
