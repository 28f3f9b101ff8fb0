/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ternd: reads its configuration, starts EAL, ports and lanes, and then sleeps until somebody asks
 * something of it or ends it. Only lanes poll.
 *
 * SIGTERM, SIGINT and SIGHUP end it in order: connections are closed and get LANE_DRAIN_US to
 * finish; a second signal ends it at once. Exit status: 0; 1 if it could not start or the
 * configuration is wrong; 2 for wrong usage. Whatever the reason, nothing is left behind.
 */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "dataplane/commands.h"
#include "dataplane/commands_move.h"
#include "dataplane/config.h"
#include "dataplane/control.h"
#include "dataplane/daemon.h"
#include "dataplane/eal.h"
#include "dataplane/log.h"
#include "dataplane/telemetry.h"

#define CONTROL_FOLDER "/run/tern"

enum {
	DRAIN_LOOK_MS = 10,
	HUGE_PAGE_BYTES = 2 << 20, /* the smallest that count as huge */
};

const char *argp_program_version = "ternd " TERN_VERSION;

struct options {
	const char *config_path;
	bool check;
	bool restoring;
	char **eal; /* what stands after "--" */
	int n_eal;
};

/* ---- The command line */

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'c':
		options->config_path = arg;
		return 0;
	case 'C':
		options->check = true;
		return 0;
	case 'r':
		options->restoring = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\"? EAL arguments stand after \"--\"", arg);
		return 0;
	case ARGP_KEY_END:
		if (options->config_path == NULL)
			argp_error(state, "no configuration; give one with -c FILE");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void
parse_command_line(int argc, char **argv, struct options *options)
{
	static const struct argp_option argp_options[] = {
		{"config", 'c', "FILE", 0, "Configuration; see conf/ for ready ones", 0},
		{"check", 'C', NULL, 0, "Check the configuration, and exit with 0 if it is right",
		 0},
		{"restoring", 'r', NULL, 0,
		 "Connections are about to be restored: leave unanswered what belongs to none, but "
		 "for SYNs, until `tern restore` ends it, 60 s at most",
		 0},
		{0},
	};
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse_option,
		.args_doc = "[-- EAL ARGUMENT...]",
		.doc = "Tern, a TCP dataplane in user space.\v"
		       "Arguments after \"--\" go to DPDK's EAL, as do those of [dataplane] eal. "
		       "A running ternd is looked at with tern(1).",
	};
	int ours = 1;

	while (ours < argc && strcmp(argv[ours], "--") != 0)
		ours++;
	if (ours < argc) {
		options->eal = argv + ours + 1;
		options->n_eal = argc - ours - 1;
	}
	argp_err_exit_status = 2;
	argp_parse(&argp, ours, argv, 0, NULL, options);
}

/* ---- Running */

/* What the main thread sleeps on. */
struct watch {
	int signals;
	int timer; /* once a second, for links whose drivers do not tell */
};

static int
watch_open(struct watch *watch)
{
	const struct itimerspec second = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	watch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	watch->signals = -1;
	/* Before EAL makes threads: they inherit the mask. */
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) == 0)
		watch->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (watch->timer < 0 || watch->signals < 0 ||
	    timerfd_settime(watch->timer, 0, &second, NULL) < 0) {
		log_line("cannot watch for signals: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static void
watch_close(struct watch *watch)
{
	if (watch->timer >= 0)
		close(watch->timer);
	if (watch->signals >= 0)
		close(watch->signals);
}

/* Takes a signal that has come. Returns its number, 0 if none has. */
static int
take_signal(const struct watch *watch)
{
	struct signalfd_siginfo info;

	if (read(watch->signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

/* Until a signal comes. */
static void
serve(struct daemon *daemon, struct control *control, const struct watch *watch)
{
	struct pollfd fds[] = {
		{.fd = watch->signals, .events = POLLIN},
		{.fd = control_fd(control), .events = POLLIN},
		{.fd = watch->timer, .events = POLLIN},
		{.fd = daemon->link_event, .events = POLLIN},
		{.fd = programs_fd(daemon->programs), .events = POLLIN},
	};
	uint64_t expirations;
	int signal_number = 0;

	while (signal_number == 0) {
		if (poll(fds, 5, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents != 0)
			control_run(control);
		if (fds[2].revents != 0 || fds[3].revents != 0) {
			if (read(watch->timer, &expirations, sizeof(expirations)) < 0)
				expirations = 0; /* the driver was faster than the timer */
			daemon_check_links(daemon);
			daemon_check_services(daemon);
			daemon_check_restoring(daemon);
		}
		if (fds[4].revents != 0)
			programs_run(daemon->programs);
		signal_number = take_signal(watch);
	}
	log_line("%s: %s; closing connections", daemon->config.name, strsignal(signal_number));
}

/* Lets connections finish, until all have, time is up or another signal comes. */
static void
drain(struct daemon *daemon, const struct watch *watch)
{
	struct pollfd fd = {.fd = watch->signals, .events = POLLIN};

	daemon_order(daemon, LANE_DRAIN);
	while (!daemon_has_stopped(daemon)) {
		poll(&fd, 1, DRAIN_LOOK_MS);
		if (take_signal(watch) != 0) {
			log_line("%s: ending at once", daemon->config.name);
			daemon_order(daemon, LANE_STOP);
		}
	}
}

static int
run(struct daemon *daemon, struct control *control, struct eal_plan *plan,
    const struct watch *watch)
{
	int status;

	if (eal_start(plan, daemon->config.lanes) < 0)
		return 1;
	status = daemon_start(daemon, plan->hugepages);
	log_eal_release(status < 0);
	if (status == 0) {
		daemon_tell(daemon);
		daemon_tell_restoring(daemon);
		telemetry_start(daemon);
		control_serve(control, commands_answer, commands_client_gone, daemon);
		log_line("%s: ready", daemon->config.name);
		serve(daemon, control, watch);
		control_stop(control);
		daemon_detach_programs(daemon);
		telemetry_stop();
		drain(daemon, watch);
	}
	daemon_stop(daemon);
	eal_stop(plan);
	return status < 0 ? 1 : 0;
}

int
main(int argc, char **argv)
{
	static struct daemon daemon = {.fault_event = -1, .link_event = -1};
	static struct eal_host host;
	static struct eal_plan plan;
	struct options options = {0};
	struct eal_need need;
	struct control *control;
	struct watch watch;
	int status = 1;

	parse_command_line(argc, argv, &options);
	if (config_read(options.config_path, &daemon.config, stderr) < 0) {
		config_free(&daemon.config);
		return 1;
	}
	daemon.restoring = options.restoring;
	if (options.check) {
		config_free(&daemon.config);
		printf("%s: right\n", options.config_path);
		return 0;
	}
	if (geteuid() != 0) {
		log_line("needs root, for devices, huge pages and " CONTROL_FOLDER);
		config_free(&daemon.config);
		return 1;
	}
	control = control_open(CONTROL_FOLDER, daemon.config.name, daemon.config.group);
	if (control == NULL) {
		config_free(&daemon.config);
		return 1;
	}
	eal_survey(&host);
	need.huge = lane_memory_bytes(&daemon.config, sizeof(struct lane_news), HUGE_PAGE_BYTES);
	need.small = lane_memory_bytes(&daemon.config, sizeof(struct lane_news),
				       (uint64_t)sysconf(_SC_PAGESIZE));
	if (eal_plan_make(&plan, &daemon.config, &host, &need, options.eal, options.n_eal) < 0) {
		log_line("%s", plan.error);
	} else {
		if (plan.warning[0] != '\0')
			log_line("%s", plan.warning);
		if (plan.note[0] != '\0')
			log_line("%s", plan.note);
		if (watch_open(&watch) == 0)
			status = run(&daemon, control, &plan, &watch);
		watch_close(&watch);
	}
	eal_plan_free(&plan);
	control_close(control);
	config_free(&daemon.config);
	return status;
}
