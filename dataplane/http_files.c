/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walks an http service's root and reads its files. Runs before the lanes, with the C library's
 * files; what it makes is never changed afterwards. Names that start with a dot are skipped;
 * everything else must be served or refused aloud: a file that cannot be read or is too large, a
 * link that leads out of the root, and what is neither file nor folder are errors. A folder is
 * found as "/folder/" if it holds index.html, and "/folder" leads there.
 *
 * Invariants: every path added is normalised as http_resolve() normalises what is asked for;
 * nothing outside the root is read, also not through links. A link to a folder around itself is
 * refused.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/http_date.h"
#include "dataplane/http_files.h"

struct walk {
	struct http_site *site;
	char *why;           /* TERN_SERVICE_WHY_BYTES */
	char root[PATH_MAX]; /* resolved */
	char file[PATH_MAX]; /* of the file system, where the walk is */
	size_t root_bytes;
	struct stat around[HTTP_FILE_DEPTH_MAX + 1]; /* the folders that we are in */
	unsigned int depth;
};

static const struct {
	const char *extension;
	const char *type;
} types[] = {
	{"html", "text/html; charset=utf-8"},
	{"htm", "text/html; charset=utf-8"},
	{"css", "text/css; charset=utf-8"},
	{"js", "text/javascript; charset=utf-8"},
	{"mjs", "text/javascript; charset=utf-8"},
	{"txt", "text/plain; charset=utf-8"},
	{"md", "text/markdown; charset=utf-8"},
	{"csv", "text/csv; charset=utf-8"},
	{"xml", "text/xml; charset=utf-8"},
	{"json", "application/json"},
	{"pdf", "application/pdf"},
	{"wasm", "application/wasm"},
	{"zip", "application/zip"},
	{"gz", "application/gzip"},
	{"svg", "image/svg+xml"},
	{"png", "image/png"},
	{"jpg", "image/jpeg"},
	{"jpeg", "image/jpeg"},
	{"gif", "image/gif"},
	{"webp", "image/webp"},
	{"avif", "image/avif"},
	{"ico", "image/vnd.microsoft.icon"},
	{"woff", "font/woff"},
	{"woff2", "font/woff2"},
	{"ttf", "font/ttf"},
	{"mp3", "audio/mpeg"},
	{"ogg", "audio/ogg"},
	{"mp4", "video/mp4"},
	{"webm", "video/webm"},
};

static const char *
type_of(const char *path)
{
	const char *name = strrchr(path, '/'), *dot = strrchr(name == NULL ? path : name, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(dot + 1, types[i].extension) == 0)
			return types[i].type;
	return "application/octet-stream";
}

static bool fail(struct walk *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool
fail(struct walk *w, const char *format, ...)
{
	va_list args;
	int n = snprintf(w->why, TERN_SERVICE_WHY_BYTES, "root: %s: ", w->file);

	va_start(args, format);
	if (n < TERN_SERVICE_WHY_BYTES)
		vsnprintf(w->why + n, (size_t)(TERN_SERVICE_WHY_BYTES - n), format, args);
	va_end(args);
	return false;
}

/* ---- Entries of the site */

static void
file_free(struct http_file *file)
{
	/* A folder's entry shares the body of its index.html, and owns only its names. */
	if (file->owns_body)
		tern_service_memory_free(file->body);
	free((void *)(uintptr_t)file->path);
	free((void *)(uintptr_t)file->location);
	free((void *)(uintptr_t)file->fields);
	free(file);
}

static uint32_t
hash_of(const char *path, size_t bytes)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a: who asks does not choose what is stored */

	for (size_t i = 0; i < bytes; i++)
		h = (h ^ (uint8_t)path[i]) * 0x100000001b3;
	return (uint32_t)(h ^ h >> 32);
}

static bool site_add(struct http_site *site, struct http_file *file);

static bool
site_grow(struct http_site *site)
{
	uint32_t size = site->buckets == NULL ? 64 : 2 * (site->mask + 1);
	struct http_site grown = {calloc(size, sizeof(*grown.buckets)), size - 1, 0};

	if (grown.buckets == NULL)
		return false;
	for (uint32_t i = 0; site->buckets != NULL && i <= site->mask; i++)
		if (site->buckets[i] != NULL)
			site_add(&grown, site->buckets[i]);
	free(site->buckets);
	*site = grown;
	return true;
}

static bool
site_add(struct http_site *site, struct http_file *file)
{
	uint32_t i;

	if ((site->buckets == NULL || site->files >= site->mask / 2) && !site_grow(site))
		return false;
	i = hash_of(file->path, strlen(file->path)) & site->mask;
	while (site->buckets[i] != NULL)
		i = (i + 1) & site->mask;
	site->buckets[i] = file;
	site->files++;
	return true;
}

const struct http_file *
http_site_find(const struct http_site *site, const char *path, size_t bytes)
{
	if (site == NULL || site->buckets == NULL)
		return NULL;
	for (uint32_t i = hash_of(path, bytes) & site->mask; site->buckets[i] != NULL;
	     i = (i + 1) & site->mask)
		if (strlen(site->buckets[i]->path) == bytes &&
		    memcmp(site->buckets[i]->path, path, bytes) == 0)
			return site->buckets[i];
	return NULL;
}

void
http_site_free(struct http_site *site)
{
	for (uint32_t i = 0; site->buckets != NULL && i <= site->mask; i++)
		if (site->buckets[i] != NULL)
			file_free(site->buckets[i]);
	free(site->buckets);
	*site = (struct http_site){0};
}

/* The path as a URL's: what is not unreserved is encoded (RFC 3986 §2.3). */
static char *
encode(const char *path, const char *suffix)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = malloc(3 * strlen(path) + strlen(suffix) + 1), *p = out;

	for (; out != NULL && *path != 0; path++) {
		unsigned char c = (unsigned char)*path;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    strchr("-._~/", c) != NULL) {
			*p++ = (char)c;
			continue;
		}
		*p++ = '%';
		*p++ = digits[c >> 4];
		*p++ = digits[c & 15];
	}
	if (out != NULL)
		strcpy(p, suffix);
	return out;
}

static char *
make_fields(const char *type, uint32_t modified)
{
	char date[HTTP_DATE_BYTES + 1] = {0}, *fields;

	http_date_format(modified, date);
	if (asprintf(&fields, "Content-Type: %s\r\nLast-Modified: %s\r\nAccept-Ranges: bytes\r\n",
		     type, date) < 0)
		return NULL;
	return fields;
}

static bool
is_short(const char *path)
{
	char *encoded = encode(path, "/");
	bool ok = encoded != NULL && strlen(encoded) <= HTTP_FILE_PATH_MAX;

	free(encoded);
	return ok;
}

/* Adds an entry; takes over what `entry` points at, also when it fails. */
static bool
add(struct walk *w, const struct http_file *entry)
{
	struct http_file *file = malloc(sizeof(*file));

	if (file == NULL)
		return fail(w, "not enough memory");
	*file = *entry;
	if (file->path == NULL || (file->location == NULL && file->fields == NULL)) {
		file_free(file);
		return fail(w, "not enough memory");
	}
	file->fields_bytes = file->fields == NULL ? 0 : (uint16_t)strlen(file->fields);
	if (!is_short(file->path)) {
		file_free(file);
		return fail(w, "its path would be longer than %d bytes in a URL",
			    HTTP_FILE_PATH_MAX);
	}
	if (w->site->files >= HTTP_FILES_MAX) {
		file_free(file);
		return fail(w, "more than %d files and folders", HTTP_FILES_MAX);
	}
	if (!site_add(w->site, file)) {
		file_free(file);
		return fail(w, "not enough memory");
	}
	return true;
}

/* Where the walk is, as a path that is asked for. */
static const char *
asked_path(const struct walk *w)
{
	return w->file + w->root_bytes;
}

/* index.html just added answers for its folder, and the folder without slash leads to it. */
static bool
add_folder(struct walk *w, const struct http_file *index)
{
	size_t bytes = strlen(index->path) - strlen("index.html");
	struct http_file folder = *index;

	folder.owns_body = false;
	folder.path = strndup(index->path, bytes);
	folder.fields = strdup(index->fields);
	if (!add(w, &folder))
		return false;
	if (bytes == 1)
		return true;
	folder = (struct http_file){.path = strndup(index->path, bytes - 1)};
	if (folder.path != NULL)
		folder.location = encode(folder.path, "/");
	return add(w, &folder);
}

/* ---- Files */

static bool
read_all(int fd, uint8_t *data, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		ssize_t n = read(fd, data + at, bytes - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? ESTALE : errno; /* it shrank meanwhile */
			return false;
		}
		at += (size_t)n;
	}
	return true;
}

static uint32_t
modified_of(const struct stat *st)
{
	if (st->st_mtime < 0 || st->st_mtime > UINT32_MAX)
		return 0;
	return (uint32_t)st->st_mtime;
}

static bool
read_open_file(struct walk *w, int fd)
{
	struct http_file file = {.owns_body = true};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(w, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(w, "is neither a file nor a folder; take it away or start its name "
			       "with a dot");
	if ((uint64_t)st.st_size > HTTP_FILE_BYTES_MAX)
		return fail(w, "has %lld bytes, more than the %llu that a file may have",
			    (long long)st.st_size, (unsigned long long)HTTP_FILE_BYTES_MAX);
	if (tern_service_memory_alloc((size_t)st.st_size, &file.body) < 0)
		return fail(w, "not enough DPDK memory for its %lld bytes", (long long)st.st_size);
	if (!read_all(fd, tern_service_memory_data(file.body), (size_t)st.st_size)) {
		fail(w, "cannot be read: %s", strerror(errno));
		tern_service_memory_free(file.body);
		return false;
	}
	file.modified = modified_of(&st);
	file.path = strdup(asked_path(w));
	file.fields = make_fields(type_of(w->file), file.modified);
	if (!add(w, &file))
		return false;
	if (strcmp(strrchr(w->file, '/'), "/index.html") != 0)
		return true;
	return add_folder(w, http_site_find(w->site, asked_path(w), strlen(asked_path(w))));
}

static bool
read_file(struct walk *w)
{
	/* O_NONBLOCK: a FIFO is told apart after it is open. */
	int fd = open(w->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bool ok;

	if (fd < 0)
		return fail(w, "cannot be opened: %s", strerror(errno));
	ok = read_open_file(w, fd);
	close(fd);
	return ok;
}

/* ---- Folders */

/* Whether what a link points at lies inside the root. */
static bool
check_link(struct walk *w)
{
	char target[PATH_MAX];

	if (realpath(w->file, target) == NULL)
		return fail(w, "leads nowhere: %s", strerror(errno));
	if (strncmp(target, w->root, w->root_bytes) != 0 ||
	    (target[w->root_bytes] != '/' && target[w->root_bytes] != 0))
		return fail(w, "is a link that leads out of the root, to %s", target);
	return true;
}

static bool read_folder(struct walk *w);

static bool
read_entry(struct walk *w, const char *name)
{
	size_t bytes = strlen(w->file);
	struct stat st;
	bool ok;

	if (bytes + 1 + strlen(name) >= sizeof(w->file))
		return fail(w, "the path of %s in it is too long", name);
	w->file[bytes] = '/';
	strcpy(w->file + bytes + 1, name);
	if (lstat(w->file, &st) < 0)
		ok = fail(w, "%s", strerror(errno));
	else if (S_ISLNK(st.st_mode) && !check_link(w))
		ok = false;
	else if (S_ISLNK(st.st_mode) && stat(w->file, &st) < 0)
		ok = fail(w, "%s", strerror(errno));
	else
		ok = S_ISDIR(st.st_mode) ? read_folder(w) : read_file(w);
	w->file[bytes] = 0;
	return ok;
}

static bool
enter(struct walk *w, const struct stat *st)
{
	for (unsigned int i = 0; i < w->depth; i++)
		if (w->around[i].st_dev == st->st_dev && w->around[i].st_ino == st->st_ino)
			return fail(w, "is a link to a folder around itself");
	if (w->depth > HTTP_FILE_DEPTH_MAX)
		return fail(w, "lies more than %d folders deep", HTTP_FILE_DEPTH_MAX);
	w->around[w->depth++] = *st;
	return true;
}

static bool
read_folder(struct walk *w)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir = opendir(w->file);
	bool ok = true;

	if (dir == NULL || fstat(dirfd(dir), &st) < 0) {
		fail(w, "cannot be opened: %s", strerror(errno));
		ok = false;
	} else if (!enter(w, &st)) {
		ok = false;
	} else {
		while (ok && (errno = 0, entry = readdir(dir)) != NULL)
			if (entry->d_name[0] != '.')
				ok = read_entry(w, entry->d_name);
		if (ok && errno != 0)
			ok = fail(w, "cannot be read: %s", strerror(errno));
		w->depth--;
	}
	if (dir != NULL)
		closedir(dir);
	return ok;
}

int
http_site_read(struct http_site *site, const char *root, char *why)
{
	struct walk *w = calloc(1, sizeof(*w));
	bool ok;

	if (w == NULL)
		return -ENOMEM;
	w->site = site;
	w->why = why;
	if (realpath(root, w->root) == NULL) {
		snprintf(w->file, sizeof(w->file), "%s", root);
		ok = fail(w, "%s", strerror(errno));
	} else if (strcmp(w->root, "/") == 0) {
		strcpy(w->file, w->root);
		ok = fail(w, "would serve the whole file system; name a folder");
	} else {
		w->root_bytes = strlen(w->root);
		memcpy(w->file, w->root, w->root_bytes + 1);
		ok = read_folder(w);
	}
	free(w);
	return ok ? 0 : -EINVAL;
}
