/* SPDX-License-Identifier: BSD-3-Clause */
/* EAL's arguments, its start and its end. See eal.h; what the machine has is eal_host.c's. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ALLOW_EXPERIMENTAL_API /* DPDK 22.11: rte_intr_instance_alloc() and its kin */
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_interrupts.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include "dataplane/eal.h"
#include "dataplane/eal_files.h"
#include "dataplane/log.h"
#include "dataplane/port_memif.h"
#include "dataplane/port_tap.h"

static int
refuse(struct eal_plan *plan, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(plan->error, sizeof(plan->error), format, args);
	va_end(args);
	return -1;
}

static int
add(struct eal_plan *plan, const char *format, ...)
{
	va_list args;
	char *arg;

	if (plan->argc == EAL_MAX_ARGS)
		return refuse(plan, "more than %d EAL arguments", EAL_MAX_ARGS);
	va_start(args, format);
	if (vasprintf(&arg, format, args) < 0)
		arg = NULL;
	va_end(args);
	if (arg == NULL)
		return refuse(plan, "no memory");
	plan->argv[plan->argc] = plan->args[plan->argc] = arg;
	plan->argc++;
	return 0;
}

/*
 * The value of an option among what the user wrote, the last one counting: of "-x" or "--long",
 * joined ("-x1", "--long=1") or apart. "" if it has none; NULL: the option is not there.
 */
static const char *
option(const struct eal_plan *plan, int n_user, const char *name)
{
	size_t n = strlen(name);
	const char *value = NULL;

	for (int i = 1; i <= n_user; i++) {
		const char *arg = plan->argv[i];

		if (strncmp(arg, name, n) != 0)
			continue;
		if (arg[n] == '\0')
			value = i < n_user ? plan->argv[i + 1] : "";
		else if (arg[n] == '=' && name[1] == '-')
			value = arg + n + 1;
		else if (name[1] != '-')
			value = arg + n;
	}
	return value;
}

/* [dataplane] eal, then what stood behind "--". */
static int
add_users(struct eal_plan *plan, const struct config *config, char **extra, int n_extra)
{
	char copy[CONFIG_VALUE_BYTES], *save = NULL;
	int status = add(plan, "ternd");

	snprintf(copy, sizeof(copy), "%s", config->eal);
	for (char *word = strtok_r(copy, " \t", &save); word != NULL && status == 0;
	     word = strtok_r(NULL, " \t", &save))
		status = add(plan, "%s", word);
	for (int i = 0; i < n_extra && status == 0; i++)
		status = add(plan, "%s", extra[i]);
	return status;
}

/* --lcores=0@(all),1@last,2@one before, ...; lanes beyond the CPUs begin at the last one again. */
static int
add_lcores(struct eal_plan *plan, unsigned int lanes, const struct eal_host *host)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int status;

	if (f == NULL || host->n_cpus == 0)
		return refuse(plan, "no CPU to run on");
	for (unsigned int i = 0; i < host->n_cpus; i++)
		fprintf(f, "%s%u", i == 0 ? "0@(" : ",", host->cpus[i].id);
	fputc(')', f);
	for (unsigned int i = 0; i < lanes; i++)
		fprintf(f, ",%u@%u", i + 1, host->cpus[host->n_cpus - 1 - i % host->n_cpus].id);
	if (fclose(f) != 0 || text == NULL)
		return refuse(plan, "no memory");
	status = add(plan, "--lcores=%s", text);
	free(text);
	if (lanes > host->n_cpus)
		snprintf(plan->warning, sizeof(plan->warning),
			 "%u lanes share %u CPU%s: lanes poll, so they will take turns at random; "
			 "set lanes = %u",
			 lanes, host->n_cpus, host->n_cpus == 1 ? "" : "s", host->n_cpus);
	return status;
}

/* Whether every node has the huge pages that its lanes need. Lanes as add_lcores() places them. */
static bool
has_hugepages(const struct eal_host *host, unsigned int lanes, uint64_t need_bytes, uint64_t *found)
{
	uint64_t need[EAL_MAX_NODES] = {0};
	bool enough = host->huge_mounted;

	*found = 0;
	for (unsigned int i = 0; i < lanes && host->n_cpus > 0; i++)
		need[host->cpus[host->n_cpus - 1 - i % host->n_cpus].node] += need_bytes;
	for (unsigned int n = 0; n < EAL_MAX_NODES; n++) {
		enough &= host->huge_free[n] >= need[n];
		*found += host->huge_free[n];
	}
	return enough;
}

static void
tell_reserve(char *text, size_t size, const struct eal_host *host, uint64_t need, uint64_t found)
{
	/* Whole pages: dpdk-hugepages.py takes nothing else. */
	unsigned long long mb = RTE_ALIGN_CEIL(need, UINT64_C(2) << 20) >> 20;
	unsigned long long found_mb = found >> 20;

	if (!host->huge_mounted)
		snprintf(text, size,
			 "no hugetlbfs is mounted; \"mount -t hugetlbfs none /dev/hugepages\" and "
			 "\"dpdk-hugepages.py --reserve %lluM\" would help",
			 mb);
	else
		snprintf(text, size,
			 "%llu MB of huge pages are needed, %llu MB are free; "
			 "\"dpdk-hugepages.py --reserve %lluM\" reserves them",
			 mb, found_mb, mb);
}

/* -m: what there is from the start. */
static int
add_size(struct eal_plan *plan, uint64_t bytes)
{
	unsigned long long mb = RTE_ALIGN_CEIL(bytes, UINT64_C(2) << 20) >> 20;

	return add(plan, "-m") < 0 || add(plan, "%llu", mb) < 0 ? -1 : 0;
}

/* Whether a device has its peer read and write our memory, all of which must then be there before
 * it starts. */
static bool
shares_memory(const struct eal_plan *plan, const struct config *config, int n_user)
{
	bool shares = false;

	for (int i = 1; i <= n_user; i++)
		shares |= strstr(plan->argv[i], "net_memif") != NULL &&
			  port_memif_copies_nothing(plan->argv[i]);
	for (unsigned int i = 0; i < config->n_ports; i++)
		shares |= strncmp(config->ports[i].device, "net_memif", 9) == 0 &&
			  port_memif_copies_nothing(config->ports[i].device);
	return shares;
}

/* Huge pages or not, and how much memory without them. */
static int
add_memory(struct eal_plan *plan, const struct config *config, const struct eal_host *host,
	   const struct eal_need *need, int n_user)
{
	bool in_memory = option(plan, n_user, "--in-memory") != NULL;
	bool own =
		option(plan, n_user, "-m") != NULL || option(plan, n_user, "--socket-mem") != NULL;
	bool shares = shares_memory(plan, config, n_user);
	uint64_t small = need->small * config->lanes, found;
	bool enough = has_hugepages(host, config->lanes, need->huge, &found);
	char reserve[384];

	tell_reserve(reserve, sizeof(reserve), host, need->huge * config->lanes, found);
	if (shares && option(plan, n_user, "--single-file-segments") == NULL &&
	    add(plan, "--single-file-segments") < 0)
		return -1;
	plan->hugepages = option(plan, n_user, "--no-huge") == NULL;
	if (plan->hugepages && (enough || own) && config->hugepages != HUGEPAGES_NO)
		return own || !shares ? 0 : add_size(plan, need->huge * config->lanes);
	if (plan->hugepages && config->hugepages == HUGEPAGES_YES)
		return refuse(plan, "hugepages = yes, but %s", reserve);
	if (plan->hugepages && in_memory)
		return refuse(plan, "--in-memory needs huge pages, but %s", reserve);
	if (plan->hugepages) {
		if (config->hugepages == HUGEPAGES_AUTO)
			snprintf(plan->note, sizeof(plan->note),
				 "going on without huge pages (slower, and dpdk-dumpcap cannot "
				 "attach): %s",
				 reserve);
		if (add(plan, "--no-huge") < 0)
			return -1;
	}
	plan->hugepages = false;
	/* The kernel would give it, and then end whom it likes. */
	if (!own && host->memory != 0 && small > host->memory)
		return refuse(plan,
			      "%llu MB of memory are needed, this machine has %llu; lower [limits]",
			      (unsigned long long)(small >> 20),
			      (unsigned long long)(host->memory >> 20));
	/* A quarter more than needed: pages that are never touched cost nothing. */
	return own ? 0 : add_size(plan, small + small / 4 + (UINT64_C(64) << 20));
}

int
eal_plan_make(struct eal_plan *plan, const struct config *config, const struct eal_host *host,
	      const struct eal_need *need, char **extra, int n_extra)
{
	const char *prefix, *level;
	int n_user;

	memset(plan, 0, sizeof(*plan));
	if (add_users(plan, config, extra, n_extra) < 0)
		return -1;
	n_user = plan->argc - 1;
	level = option(plan, n_user, "--log-level");
	if (option(plan, n_user, "--help") != NULL || option(plan, n_user, "-h") != NULL ||
	    (level != NULL && strcmp(level, "help") == 0))
		return refuse(plan, "asking EAL for help ends ternd; leave it out, and see DPDK's "
				    "\"EAL parameters\"");
	prefix = option(plan, n_user, "--file-prefix");
	if (strlen(prefix == NULL ? config->name : prefix) >= sizeof(plan->prefix))
		return refuse(plan, "--file-prefix %s: longer than %zu characters", prefix,
			      sizeof(plan->prefix) - 1);
	strcpy(plan->prefix, prefix == NULL ? config->name : prefix);
	if (prefix == NULL && add(plan, "--file-prefix=%s", config->name) < 0)
		return -1;
	if (option(plan, n_user, "-l") == NULL && option(plan, n_user, "-c") == NULL &&
	    option(plan, n_user, "--lcores") == NULL && add_lcores(plan, config->lanes, host) < 0)
		return -1;
	if (level == NULL && add(plan, "--log-level=error") < 0)
		return -1;
	return add_memory(plan, config, host, need, n_user);
}

void
eal_plan_free(struct eal_plan *plan)
{
	for (int i = 0; i < plan->argc; i++)
		free(plan->args[i]);
	plan->argc = 0;
}

/* EAL answers an argument that it does not know with a page of usage on stdout; errors suffice. */
static int
init_quietly(struct eal_plan *plan)
{
	int out, nowhere, status, error;

	fflush(stdout);
	out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (out >= 0 && nowhere >= 0)
		dup2(nowhere, STDOUT_FILENO);
	status = rte_eal_init(plan->argc, plan->argv);
	error = rte_errno;
	fflush(stdout);
	if (out >= 0 && nowhere >= 0)
		dup2(out, STDOUT_FILENO);
	if (out >= 0)
		close(out);
	if (nowhere >= 0)
		close(nowhere);
	return status < 0 ? -error : 0;
}

int
eal_start(struct eal_plan *plan, unsigned int lanes)
{
	int status;

	port_tap_block_signals();
	if (log_eal_hold() < 0) {
		log_line("no memory");
		return -1;
	}
	rte_log_set_global_level(RTE_LOG_ERR); /* until EAL has read --log-level */
	status = init_quietly(plan);
	if (status < 0) {
		log_failure("DPDK's EAL does not start: %s", rte_strerror(-status));
		eal_files_remove(plan->prefix);
		return -1;
	}
	if (rte_lcore_count() - 1 < lanes) {
		log_eal_release(false);
		log_line("lanes = %u, but the EAL arguments give %u worker lcores besides the main "
			 "thread's; name %u CPUs, or leave -l, -c and --lcores out",
			 lanes, rte_lcore_count() - 1, lanes + 1);
		eal_stop(plan);
		return -1;
	}
	return 0;
}

static void
sleep_for_ever(void *parked)
{
	sem_post(parked);
	for (;;)
		pause();
}

/*
 * EAL's cleanup frees what its interrupt thread reads whenever a device has gone, as ours have a
 * moment ago, and leaves that thread running. An interrupt of our own, of which it does not return,
 * keeps it from reading on. No alarm: the cleanup waits for those.
 */
static void
park_interrupt_thread(void)
{
	struct rte_intr_handle *handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	int fd = eventfd(1, EFD_CLOEXEC);
	static sem_t parked;

	sem_init(&parked, 0, 0);
	if (handle != NULL && fd >= 0 && rte_intr_fd_set(handle, fd) == 0 &&
	    rte_intr_type_set(handle, RTE_INTR_HANDLE_EXT) == 0 &&
	    rte_intr_callback_register(handle, sleep_for_ever, &parked) == 0)
		while (sem_wait(&parked) < 0 && errno == EINTR)
			continue;
	rte_intr_instance_free(handle);
}

void
eal_stop(struct eal_plan *plan)
{
	park_interrupt_thread();
	rte_eal_cleanup();
	eal_files_remove(plan->prefix);
}
