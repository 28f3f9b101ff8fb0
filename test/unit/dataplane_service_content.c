/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/service_content.c, service_files.c: what is loaded, refused, and referred to. */
#include <sys/stat.h>
#include <unistd.h>

#include "service_pair.h"
#include "unit.h"

#include "dataplane/service_content.h"

static char root[64];
static char errors_text[1024];

static struct service_content *
load(const char *folder)
{
	static struct config config;
	FILE *errors = fmemopen(errors_text, sizeof(errors_text), "w");
	struct service_content *content;

	memset(&config, 0, sizeof(config));
	memset(errors_text, 0, sizeof(errors_text));
	config.n_services = 1;
	config.services[0].kind = SERVICE_HTTP;
	strcpy(config.services[0].name, "http");
	strcpy(config.services[0].root, folder);
	content = service_content_load(&config, errors);
	fclose(errors);
	return content;
}

static const struct content_file *
find(const struct service_content *content, const char *path)
{
	return content_find(content_site_of(content, 0), path, strlen(path));
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
	struct service_content *content;
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
	content = load(root);
	CU_ASSERT_FATAL(content != NULL);
	UNIT_EQ(find(content, "/")->body.bytes, 3);
	CU_ASSERT(find(content, "/index.html")->body.data == find(content, "/")->body.data);
	CU_ASSERT(find(content, "/d/") == NULL && find(content, "/d") == NULL);
	CU_ASSERT(memcmp(find(content, "/d/e/")->body.data, "deep", 4) == 0);
	CU_ASSERT_STRING_EQUAL(find(content, "/d/e")->location, "/d/e/");
	CU_ASSERT(strstr(find(content, "/d/x.CSS")->fields, "Content-Type: text/css;") != NULL);
	CU_ASSERT(strstr(find(content, "/d/plain")->fields, "octet-stream") != NULL);
	CU_ASSERT(memcmp(find(content, "/link.txt")->body.data, "css", 3) == 0);
	CU_ASSERT(memcmp(find(content, "/folder/e/index.html")->body.data, "deep", 4) == 0);
	CU_ASSERT(find(content, "/.git/config") == NULL && find(content, "") == NULL);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "/many%d", i);
		CU_ASSERT_FATAL(find(content, name) != NULL);
		CU_ASSERT(memcmp(find(content, name)->body.data, name + 1, strlen(name) - 1) == 0);
	}
	service_content_free(content);
	service_pair_remove_root(root);
}

/* Loads a root that must be refused, with these words in the message. */
static void
check_refused(const char *words)
{
	CU_ASSERT(load(root) == NULL);
	CU_ASSERT(strncmp(errors_text, "[service http] root: /tmp/", 26) == 0);
	if (strstr(errors_text, words) == NULL)
		printf("\n  said: %s", errors_text);
	CU_ASSERT(strstr(errors_text, words) != NULL);
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
	UNIT_EQ(truncate(path, (off_t)CONTENT_FILE_BYTES_MAX + 1), 0);
	check_refused("/huge: has 1073741825 bytes, more than");
	service_pair_make_root(root);
	service_pair_file(root, "large", "", 0);
	snprintf(path, sizeof(path), "%s/large", root);
	UNIT_EQ(truncate(path, 900 << 20), 0); /* more than the test's EAL has */
	check_refused("/large: not enough DPDK memory");
	CU_ASSERT(load("/tmp/tern-unit-none") == NULL);
	CU_ASSERT(strstr(errors_text, "/tmp/tern-unit-none: No such file") != NULL);
	CU_ASSERT(load("/") == NULL);
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

/* Every reference says what it refers to, in pieces that devices can take. */
static void
check_chain(const struct content_blob *blob, size_t offset, size_t bytes, struct rte_mempool *pool,
	    struct rte_mbuf_ext_shared_info *shared)
{
	struct rte_mbuf *chain = content_refer(blob, offset, bytes, 64, shared, pool);
	size_t at = offset;

	CU_ASSERT_FATAL(chain != NULL);
	UNIT_EQ(rte_mbuf_check(chain, 1, &(const char *){NULL}), 0);
	for (const struct rte_mbuf *m = chain; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		CU_ASSERT(p == blob->data + at);
		CU_ASSERT(m->data_len > 0 && m->data_len <= CONTENT_CHUNK_BYTES);
		UNIT_EQ((uintptr_t)p / CONTENT_CHUNK_BYTES,
			(uintptr_t)(p + m->data_len - 1) / CONTENT_CHUNK_BYTES);
		if (rte_eal_iova_mode() == RTE_IOVA_VA)
			UNIT_EQ(rte_pktmbuf_iova(m), (uintptr_t)p);
		at += m->data_len;
	}
	UNIT_EQ(at, offset + bytes);
	UNIT_EQ(chain->pkt_len, bytes);
	rte_pktmbuf_free(chain);
}

UNIT_CASE(references_stay_within_chunks)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create("refs", 63, 0, 0, 0, SOCKET_ID_ANY);
	uint8_t *big = calloc(1, 300000);
	struct rte_mbuf_ext_shared_info *shared;
	const struct content_blob *blob;
	struct service_content *content;
	struct rte_mbuf *chain;

	service_pair_make_root(root);
	service_pair_file(root, "big", big, 300000);
	service_pair_file(root, "small", big, 700);
	content = load(root);
	CU_ASSERT_FATAL(content != NULL);
	shared = content_take_reference(content);
	CU_ASSERT(shared != content_take_reference(content));
	blob = &find(content, "/big")->body;
	check_chain(blob, 0, 300000, pool, shared);
	check_chain(blob, 1, 299999, pool, shared);
	check_chain(blob, 32767, 2, pool, shared);
	check_chain(blob, 299999, 1, pool, shared);
	check_chain(&find(content, "/small")->body, 0, 700, pool, shared);
	check_chain(content_pattern(content), 0, CONTENT_PATTERN_BYTES, pool, shared);
	UNIT_EQ(rte_mempool_in_use_count(pool), 0);
	UNIT_EQ(rte_mbuf_ext_refcnt_read(shared), 1);
	chain = content_refer(blob, 299000, 5000, 64, shared, pool);
	UNIT_EQ(chain->pkt_len, 1000);
	rte_pktmbuf_free(chain);
	chain = content_refer(blob, 0, 300000, 2, shared, pool);
	UNIT_EQ(chain->nb_segs, 2);
	rte_pktmbuf_free(chain);
	CU_ASSERT(content_refer(blob, 300000, 1, 64, shared, pool) == NULL);
	rte_mempool_free(pool);
	service_content_free(content);
	service_pair_remove_root(root);
	free(big);
}

UNIT_MAIN_EAL(UNIT_RUN(a_folder_is_loaded_whole), UNIT_RUN(what_cannot_be_served_is_an_error),
	      UNIT_RUN(a_sibling_of_the_root_is_outside), UNIT_RUN(references_stay_within_chunks))
