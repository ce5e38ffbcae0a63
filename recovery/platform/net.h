/* net: brings the network up, by busybox's udhcpc. */
#ifndef LIFEBOAT_NET_H
#define LIFEBOAT_NET_H

#include "core/detail.h"
#include "platform/watch.h"

#define NET_SCRIPT "/etc/udhcpc.script"

struct net_options {
	const char *sys;	   /* NULL: "/sys" */
	const char *udhcpc;	   /* NULL: "udhcpc", looked for in PATH */
	const char *script;	   /* NULL: NET_SCRIPT */
	uint32_t carrier_wait_ms;  /* for a link to come up; 0: 5000 */
	uint32_t lease_wait_ms;	   /* for udhcpc, on each interface; 0: 20000 */
	const struct watch *watch; /* may be NULL; udhcpc's output goes to its line */
};

struct net_address {
	char interface[16];
	char address[46]; /* as text, IPv4 or IPv6 */
};

/*
 * Does nothing when an interface (not lo) has an IPv4 address already; otherwise sets the links up
 * and asks for a lease on each that has a carrier, in the order of names. Where nobody answers, an
 * IPv6 address that the kernel made of a router's announcement will do. Details: NETWORK_DOWN (the
 * fault says what is wrong: no interface, no cable, no answer), INTERRUPTED.
 */
enum detail net_up(const struct net_options *options, struct net_address *address,
		   struct fault *fault);

/* The first address of an interface that is up and not lo, link-local ones excluded. */
bool net_address_now(struct net_address *address);

#endif
