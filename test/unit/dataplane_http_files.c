/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/http_files.c: what is loaded and refused. */
#include <sys/stat.h>
#include <unistd.h>

#include "service_pair.h"
#include "unit.h"

#include "dataplane/http_files.h"

static char root[64];
static char why[TERN_SERVICE_WHY_BYTES];
static struct http_site site;

/* Reads a folder; frees what came of it if that fails, as the service would. */
static bool
load(const char *folder)
{
	bool ok = http_site_read(&site, folder, why) == 0;

	if (!ok)
		http_site_free(&site);
	return ok;
}

static const struct http_file *
find(const char *path)
{
	return http_site_find(&site, path, strlen(path));
}

static const void *
body(const char *path)
{
	return tern_service_memory_data(find(path)->body);
}

static void
make_link(const char *target, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	if (symlink(target, path) < 0)
		CU_FAIL("symlink");
}

UNIT_CASE(a_folder_is_loaded_whole)
{
	char name[32];

	service_pair_make_root(root);
	service_pair_file(root, "index.html", "top", 3);
	service_pair_file(root, "d/e/index.html", "deep", 4);
	service_pair_file(root, "d/x.CSS", "css", 3);
	service_pair_file(root, "d/plain", "", 0);
	service_pair_file(root, ".git/config", "secret", 6);
	make_link("d/x.CSS", "link.txt");
	make_link("d", "folder");
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		service_pair_file(root, name, name, strlen(name));
	}
	CU_ASSERT_FATAL(load(root));
	UNIT_EQ(tern_service_memory_bytes(find("/")->body), 3);
	CU_ASSERT(find("/index.html")->body == find("/")->body);
	CU_ASSERT(find("/d/") == NULL && find("/d") == NULL);
	CU_ASSERT(memcmp(body("/d/e/"), "deep", 4) == 0);
	CU_ASSERT_STRING_EQUAL(find("/d/e")->location, "/d/e/");
	CU_ASSERT(strstr(find("/d/x.CSS")->fields, "Content-Type: text/css;") != NULL);
	CU_ASSERT(strstr(find("/d/plain")->fields, "octet-stream") != NULL);
	CU_ASSERT(memcmp(body("/link.txt"), "css", 3) == 0);
	CU_ASSERT(memcmp(body("/folder/e/index.html"), "deep", 4) == 0);
	CU_ASSERT(find("/.git/config") == NULL && find("") == NULL);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "/many%d", i);
		CU_ASSERT_FATAL(find(name) != NULL);
		CU_ASSERT(memcmp(body(name), name + 1, strlen(name) - 1) == 0);
	}
	http_site_free(&site);
	service_pair_remove_root(root);
}

/* Loads a root that must be refused, with these words in the message. */
static void
check_refused(const char *words)
{
	CU_ASSERT(!load(root));
	CU_ASSERT(strncmp(why, "root: /tmp/", 11) == 0);
	if (strstr(why, words) == NULL)
		printf("\n  said: %s", why);
	CU_ASSERT(strstr(why, words) != NULL);
	service_pair_remove_root(root);
}

UNIT_CASE(what_cannot_be_served_is_an_error)
{
	char path[256];

	service_pair_make_root(root);
	make_link("/etc/passwd", "out");
	check_refused("/out: is a link that leads out of the root, to /etc/passwd");
	service_pair_make_root(root);
	make_link("..", "up");
	check_refused("/up: is a link that leads out of the root, to /tmp");
	service_pair_make_root(root);
	make_link("nothing", "dangling");
	check_refused("/dangling: leads nowhere: No such file");
	service_pair_make_root(root);
	service_pair_file(root, "d/x", "", 0);
	make_link("../d", "d/around");
	check_refused("/d/around: is a link to a folder around itself");
	service_pair_make_root(root);
	snprintf(path, sizeof(path), "%s/fifo", root);
	mkfifo(path, 0600);
	check_refused("/fifo: is neither a file nor a folder");
	service_pair_make_root(root);
	service_pair_file(root, "huge", "", 0);
	snprintf(path, sizeof(path), "%s/huge", root);
	UNIT_EQ(truncate(path, (off_t)HTTP_FILE_BYTES_MAX + 1), 0);
	check_refused("/huge: has 1073741825 bytes, more than");
	service_pair_make_root(root);
	service_pair_file(root, "large", "", 0);
	snprintf(path, sizeof(path), "%s/large", root);
	UNIT_EQ(truncate(path, 900 << 20), 0); /* more than the test's EAL has */
	check_refused("/large: not enough DPDK memory");
	CU_ASSERT(!load("/tmp/tern-unit-none"));
	CU_ASSERT(strstr(why, "/tmp/tern-unit-none: No such file") != NULL);
	CU_ASSERT(!load("/"));
}

UNIT_CASE(a_sibling_of_the_root_is_outside)
{
	char beside[80], name[96];

	service_pair_make_root(root);
	snprintf(beside, sizeof(beside), "%s-beside", root);
	mkdir(beside, 0755);
	service_pair_file(beside, "x", "x", 1);
	snprintf(name, sizeof(name), "%s/x", beside);
	make_link(name, "x");
	check_refused("/x: is a link that leads out of the root");
	service_pair_remove_root(beside);
}

UNIT_MAIN_EAL(UNIT_RUN(a_folder_is_loaded_whole), UNIT_RUN(what_cannot_be_served_is_an_error),
	      UNIT_RUN(a_sibling_of_the_root_is_outside))
