#include "platform/net.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/text.h"
#include "platform/child.h"
#include "platform/format.h"
#include "platform/sysfs.h"
#include "platform/system.h"

#define CARRIER_WAIT_MS 5000
#define LEASE_WAIT_MS 20000

static bool take_address(const struct ifaddrs *entry, struct net_address *address)
{
	const struct sockaddr *sa = entry->ifa_addr;
	const uint8_t *a;

	if (!(entry->ifa_flags & IFF_UP) || (entry->ifa_flags & IFF_LOOPBACK))
		return false;
	if (sa->sa_family == AF_INET) {
		a = (const uint8_t *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;
		/* 169.254/16: what a host gives itself when nobody answered. */
		if (a[0] == 169 && a[1] == 254)
			return false;
		format_text(address->address, sizeof(address->address), "%u.%u.%u.%u", a[0], a[1],
			    a[2], a[3]);
	} else if (sa->sa_family == AF_INET6) {
		a = (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
		/* fe80::/10 is good for this link only. */
		if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
			return false;
		struct text text = TEXT_IN(address->address);

		for (size_t i = 0; i < 16; i += 2) {
			char group[8];

			format_text(group, sizeof(group), "%s%x", i ? ":" : "",
				    (unsigned int)(a[i] << 8 | a[i + 1]));
			text_add(&text, group);
		}
	} else {
		return false;
	}
	text_copy(address->interface, sizeof(address->interface), entry->ifa_name);
	return true;
}

/* family: AF_UNSPEC for any. */
static bool find_address(int family, struct net_address *address)
{
	struct ifaddrs *list, *entry;
	bool found = false;

	memset(address, 0, sizeof(*address));
	if (getifaddrs(&list))
		return false;
	for (entry = list; entry && !found; entry = entry->ifa_next)
		if (entry->ifa_addr &&
		    (family == AF_UNSPEC || entry->ifa_addr->sa_family == family))
			found = take_address(entry, address);
	freeifaddrs(list);
	return found;
}

bool net_address_now(struct net_address *address)
{
	return find_address(AF_UNSPEC, address);
}

/* Real interfaces: those with a device behind them. */
static void list_interfaces(const char *sys, struct sysfs_names *names)
{
	char folder[SYSFS_PATH_SIZE];
	size_t kept = 0;

	format_text(folder, sizeof(folder), "%s/class/net", sys);
	sysfs_list(names, folder);
	for (size_t i = 0; i < names->count; i++)
		if (sysfs_exists("%s/%s/device", folder, names->at[i]) &&
		    strlen(names->at[i]) < IFNAMSIZ)
			memmove(names->at[kept++], names->at[i], SYSFS_NAME_SIZE);
	names->count = kept;
}

static int link_up(const char *interface)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;
	struct ifreq request;

	if (fd < 0)
		return errno;
	memset(&request, 0, sizeof(request));
	text_copy(request.ifr_name, sizeof(request.ifr_name), interface);
	if (ioctl(fd, SIOCGIFFLAGS, &request))
		err = errno;
	request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
	if (!err && ioctl(fd, SIOCSIFFLAGS, &request))
		err = errno;
	close(fd);
	return err;
}

static bool has_carrier(const char *sys, const char *interface)
{
	uint64_t carrier;

	return sysfs_u64(&carrier, "%s/class/net/%s/carrier", sys, interface) && carrier == 1;
}

/* Sets all links up and waits until one has a carrier. Returns DETAIL_OK or why there is none. */
static enum detail wait_for_carrier(const struct net_options *options, const char *sys,
				    const struct sysfs_names *names, struct fault *fault)
{
	uint32_t wait_ms = options->carrier_wait_ms ? options->carrier_wait_ms : CARRIER_WAIT_MS;
	uint64_t deadline = system_now_ms() + wait_ms;
	char object[160];
	int err = 0;

	if (!names->count)
		return fault_set(fault, DETAIL_NETWORK_DOWN, "this device (no network interface)");
	for (size_t i = 0; i < names->count; i++) {
		int failed = link_up(names->at[i]);

		err = failed ? failed : err;
	}
	for (;;) {
		for (size_t i = 0; i < names->count; i++)
			if (has_carrier(sys, names->at[i]))
				return DETAIL_OK;
		if (system_now_ms() >= deadline)
			break;
		if (watch_sleep(options->watch, WATCH_POLL_MS))
			return fault_set(fault, DETAIL_INTERRUPTED, "the network's start");
	}
	format_text(object, sizeof(object), "%.16s%s (%s)", names->at[0],
		    names->count > 1 ? " and the others" : "",
		    err ? "cannot be set up" : "no cable, or nothing at its other end");
	return fault_errno(fault, DETAIL_NETWORK_DOWN, object, err);
}

/* udhcpc runs the script, which sets address, route and name server. */
static enum detail get_lease(const struct net_options *options, const char *interface,
			     struct fault *fault)
{
	char name[IFNAMSIZ], object[160];
	char *const argv[] = {(char *)(options->udhcpc ? options->udhcpc : "udhcpc"),
			      (char *)"-n", /* give up without a lease */
			      (char *)"-q", /* and with one */
			      (char *)"-f",
			      (char *)"-t",
			      (char *)"5",
			      (char *)"-T",
			      (char *)"3",
			      (char *)"-i",
			      name,
			      (char *)"-s",
			      (char *)(options->script ? options->script : NET_SCRIPT),
			      NULL};
	int value;

	text_copy(name, sizeof(name), interface);
	switch (child_run(argv, options->lease_wait_ms ? options->lease_wait_ms : LEASE_WAIT_MS,
			  "udhcpc: ", options->watch, &value)) {
	case CHILD_STOPPED:
		return fault_set(fault, DETAIL_INTERRUPTED, "the network's start");
	case CHILD_NOT_RUN:
		return fault_errno(fault, DETAIL_NETWORK_DOWN, "udhcpc (cannot be run)", value);
	case CHILD_EXITED:
		if (value == 0)
			return DETAIL_OK;
		break;
	case CHILD_KILLED:
	case CHILD_TIMEOUT:
		break;
	}
	format_text(object, sizeof(object), "%s (no answer from a DHCP server)", name);
	return fault_set(fault, DETAIL_NETWORK_DOWN, object);
}

/* Asks on each interface that has a carrier until one gives an address. */
static enum detail get_any_lease(const struct net_options *options, const char *sys,
				 const struct sysfs_names *names, struct net_address *address,
				 struct fault *fault)
{
	enum detail detail = fault_set(fault, DETAIL_NETWORK_DOWN, "the cable (came and went)");

	for (size_t i = 0; i < names->count; i++) {
		if (!has_carrier(sys, names->at[i]))
			continue;
		detail = get_lease(options, names->at[i], fault);
		if (detail == DETAIL_INTERRUPTED)
			return detail;
		if (!detail && find_address(AF_INET, address))
			return DETAIL_OK;
		if (!detail)
			detail = fault_set(fault, DETAIL_NETWORK_DOWN,
					   "the lease (the script did not set an address)");
	}
	return detail;
}

enum detail net_up(const struct net_options *options, struct net_address *address,
		   struct fault *fault)
{
	const char *sys = options->sys ? options->sys : "/sys";
	static struct sysfs_names names; /* too large for the stack */
	enum detail detail;

	if (find_address(AF_INET, address))
		return DETAIL_OK;
	list_interfaces(sys, &names);
	detail = wait_for_carrier(options, sys, &names, fault);
	if (!detail)
		detail = get_any_lease(options, sys, &names, address, fault);
	/* A network of IPv6 alone needs no lease: the kernel gave itself an address. */
	if (detail == DETAIL_NETWORK_DOWN && net_address_now(address))
		return DETAIL_OK;
	return detail;
}
