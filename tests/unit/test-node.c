/* SPDX-License-Identifier: Apache-2.0 */
/* What the node table promises: numbers that are never reused, one node an inode and
 * zone, names that follow renames, and nothing left when the kernel forgets. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fuse/node-fd.h"
#include "fuse/node.h"
#include "fuse/util.h"

#define ZONE_A 1
#define ZONE_B 2

struct fixture {
	char path[64];
	struct source source;
	struct node_table *table;
	struct node *root;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->path, "/tmp/test-node-XXXXXX");
	if (!mkdtemp(f->path) || source_init(&f->source, f->path) < 0 ||
	    node_table_new(&f->source, &f->table) < 0)
		return -1;
	f->root = node_get(f->table, NODE_ROOT);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	node_put(f->table, f->root);
	node_table_free(f->table);
	source_fini(&f->source);
	snprintf(command, sizeof(command), "rm -rf %s", f->path);
	if (system(command) != 0)
		return -1;
	free(f);
	return 0;
}

static void make_file(struct fixture *f, const char *name)
{
	int fd = openat(f->source.root_fd, name, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* What a LOOKUP does. */
static struct node *look_up(struct fixture *f, struct node *dir, const char *name,
			    uint64_t place)
{
	int dir_fd = node_fd_get(f->table, dir);
	_cleanup_(closep) int fd = source_open_name(dir_fd, name);
	struct source_id id;
	struct node *node;
	struct stat st;

	assert_true(dir_fd >= 0);
	assert_true(fd >= 0);
	node_fd_put(f->table, dir, dir_fd);
	assert_int_equal(source_identify(&f->source, fd, &id, &st), 0);
	assert_int_equal(node_add(f->table,
				  &(struct node_at){ .parent = dir,
						     .name = name,
						     .place = place,
						     .id = &id,
						     .mode = st.st_mode,
						     .fd = &fd },
				  true, &node),
			 0);
	return node;
}

static void assert_path(struct fixture *f, struct node *node, const char *name,
			const char *expected)
{
	char buffer[NODE_PATH_MAX];

	assert_string_equal(node_path(f->table, node, name, buffer), expected);
}

static void move_to(struct fixture *f, struct node *node, struct node *dir,
		    const char *name)
{
	char *copy = strdup(name);

	node_moved(f->table, node, dir, &copy);
	assert_null(copy);
}

static void the_root_is_number_one_and_is_never_forgotten(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->root->id, NODE_ROOT);
	node_forget(f->table, NODE_ROOT, 1000);
	assert_int_equal(node_count(f->table), 1);
	assert_path(f, f->root, NULL, "/");
	assert_path(f, f->root, "a", "/a");
}

static void the_same_name_is_the_same_node(void **state)
{
	struct fixture *f = *state;
	struct node *one, *two;

	make_file(f, "a");
	one = look_up(f, f->root, "a", ZONE_A);
	two = look_up(f, f->root, "a", ZONE_A);
	assert_ptr_equal(one, two);
	assert_int_equal(one->n_lookups, 2);
	node_put(f->table, one);
	node_put(f->table, two);
}

static void a_hard_link_in_the_same_zone_is_the_same_node(void **state)
{
	struct fixture *f = *state;
	struct node *one, *two;

	make_file(f, "a");
	assert_int_equal(linkat(f->source.root_fd, "a", f->source.root_fd, "b", 0), 0);
	one = look_up(f, f->root, "a", ZONE_A);
	two = look_up(f, f->root, "b", ZONE_A);
	assert_ptr_equal(one, two);
	assert_path(f, one, NULL, "/b"); /* as last looked up */
	node_put(f->table, one);
	node_put(f->table, two);
}

static void a_hard_link_in_another_zone_is_another_node(void **state)
{
	struct fixture *f = *state;
	struct node *one, *two;

	make_file(f, "a");
	assert_int_equal(linkat(f->source.root_fd, "a", f->source.root_fd, "b", 0), 0);
	one = look_up(f, f->root, "a", ZONE_A);
	two = look_up(f, f->root, "b", ZONE_B);
	assert_ptr_not_equal(one, two);
	assert_path(f, one, NULL, "/a");
	assert_path(f, two, NULL, "/b");
	node_put(f->table, one);
	node_put(f->table, two);
}

static void a_number_is_never_given_twice(void **state)
{
	struct fixture *f = *state;
	uint64_t last = NODE_ROOT;

	make_file(f, "a");
	for (int i = 0; i < 1000; i++) {
		struct node *node = look_up(f, f->root, "a", ZONE_A);
		uint64_t id = node->id;

		assert_true(id > last);
		last = id;
		node_put(f->table, node);
		node_forget(f->table, id, 1);
		assert_null(node_get(f->table, id));
	}
}

static void a_file_that_replaced_another_under_its_name_is_another_node(void **state)
{
	struct fixture *f = *state;
	struct node *one, *two;

	make_file(f, "a");
	one = look_up(f, f->root, "a", ZONE_A);
	make_file(f, "b");
	assert_int_equal(renameat(f->source.root_fd, "b", f->source.root_fd, "a"), 0);
	two = look_up(f, f->root, "a", ZONE_A);
	assert_ptr_not_equal(one, two);
	node_put(f->table, one);
	node_put(f->table, two);
}

static void a_gone_inode_is_stale(void **state)
{
	struct fixture *f = *state;
	struct node *node;

	make_file(f, "a");
	node = look_up(f, f->root, "a", ZONE_A);
	assert_int_equal(unlinkat(f->source.root_fd, "a", 0), 0);
	assert_int_equal(node_fd_get(f->table, node), -ESTALE);
	node_put(f->table, node);
}

static void children_keep_their_parents_and_paths_follow_renames(void **state)
{
	struct fixture *f = *state;
	struct node *dir, *file;
	uint64_t dir_id;

	assert_int_equal(mkdirat(f->source.root_fd, "d", 0700), 0);
	make_file(f, "d/x");
	dir = look_up(f, f->root, "d", ZONE_A);
	dir_id = dir->id;
	file = look_up(f, dir, "x", ZONE_A);
	node_put(f->table, dir);
	node_forget(f->table, dir_id, 1); /* the kernel may forget a parent first */
	assert_path(f, file, NULL, "/d/x");

	dir = node_get(f->table, dir_id);
	assert_non_null(dir);
	move_to(f, dir, f->root, "renamed");
	assert_path(f, file, NULL, "/renamed/x");
	node_put(f->table, dir);

	dir_id = file->id;
	node_put(f->table, file);
	node_forget(f->table, dir_id, 1);
	assert_int_equal(node_count(f->table), 1); /* only the root is left */
}

static void a_directory_never_becomes_its_own_ancestor(void **state)
{
	struct fixture *f = *state;
	struct node *outer, *inner;

	assert_int_equal(mkdirat(f->source.root_fd, "o", 0700), 0);
	assert_int_equal(mkdirat(f->source.root_fd, "o/i", 0700), 0);
	outer = look_up(f, f->root, "o", ZONE_A);
	inner = look_up(f, outer, "i", ZONE_A);
	/* As if somebody had turned them round behind the guard. */
	move_to(f, outer, inner, "o");
	assert_path(f, inner, NULL, "/o/i");
	node_put(f->table, inner);
	node_put(f->table, outer);
}

static void a_look_up_from_before_a_rename_does_not_put_a_node_back(void **state)
{
	struct fixture *f = *state;
	uint64_t before = node_moves(f->table);
	struct source_id id = { 0 };
	struct node *node, *again;
	struct stat st;
	int fd;

	make_file(f, "a");
	node = look_up(f, f->root, "a", ZONE_A);
	fd = node_fd_get(f->table, node);
	assert_int_equal(source_identify(&f->source, fd, &id, &st), 0);
	node_fd_put(f->table, node, fd);
	move_to(f, node, f->root, "b");
	assert_int_equal(
		node_add(f->table,
			 &(struct node_at){ .parent = f->root,
					    .name = "a",
					    .place = ZONE_A,
					    .id = &id,
					    .n_moves = before },
			 true, &again),
		0); /* its zone is not known: another node, which moves nothing */
	assert_ptr_not_equal(again, node);
	node_put(f->table, again);

	atomic_store(&node->place, ZONE_A);
	assert_int_equal(node_add(f->table,
				  &(struct node_at){ .parent = f->root,
						     .name = "c",
						     .place = ZONE_A,
						     .id = &id,
						     .n_moves = before },
				  true, &again),
			 -EAGAIN);
	assert_path(f, node, NULL, "/b");
	node_put(f->table, node);
}

static void a_path_that_is_too_long_is_none(void **state)
{
	struct fixture *f = *state;
	char name[NAME_MAX + 1], buffer[NODE_PATH_MAX];
	struct node *node = node_ref(f->table, f->root);
	int n = 0;

	memset(name, 'x', NAME_MAX);
	name[NAME_MAX] = '\0';
	while (node_path(f->table, node, NULL, buffer)) {
		struct source_id id = { .dev = 1,
					.ino = (ino_t)++n + 100,
					.handle_bytes = 4 };
		struct node *child;

		assert_int_equal(node_add(f->table,
					  &(struct node_at){ .parent = node,
							     .name = name,
							     .place = ZONE_A,
							     .id = &id,
							     .mode = S_IFDIR },
					  true, &child),
				 0);
		node_put(f->table, node);
		node = child;
	}
	assert_int_equal(n, NODE_PATH_MAX / (NAME_MAX + 1));
	node_put(f->table, node);
}

static void descriptors_are_bounded_and_found_again(void **state)
{
	struct fixture *f = *state;
	enum { FILES = 3 * NODE_FDS_KEPT };
	struct node **nodes = calloc(FILES, sizeof(*nodes));
	char name[16];
	int most = 0;

	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		make_file(f, name);
		nodes[i] = look_up(f, f->root, name, ZONE_A);
	}
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < FILES; i++) {
			int fd = node_fd_get(f->table, nodes[i]);
			struct stat st;

			assert_true(fd >= 0);
			assert_int_equal(fstat(fd, &st), 0);
			assert_int_equal(st.st_ino, nodes[i]->ino);
			most = fd > most ? fd : most;
			node_fd_put(f->table, nodes[i], fd);
		}
	}
	assert_true(most < NODE_FDS_KEPT + 64);
	for (int i = 0; i < FILES; i++) {
		uint64_t id = nodes[i]->id;

		node_put(f->table, nodes[i]);
		node_forget(f->table, id, 1);
	}
	assert_int_equal(node_count(f->table), 1);
	free(nodes);
}

/* A node freed by FORGET while another thread uses it is what a daemon of this kind
 * crashes by; run under ThreadSanitizer and AddressSanitizer, too. */
static void *look_up_and_forget(void *data)
{
	struct fixture *f = data;

	for (int i = 0; i < 2000; i++) {
		char name[8];
		struct node *node;
		uint64_t id;
		int fd;

		snprintf(name, sizeof(name), "f%d", i % 7);
		node = look_up(f, f->root, name, ZONE_A);
		id = node->id;
		fd = node_fd_get(f->table, node);
		assert_true(fd >= 0);
		node_fd_put(f->table, node, fd);
		node_put(f->table, node);
		node_forget(f->table, id, 1);
	}
	return NULL;
}

static void threads_may_look_up_and_forget_the_same_nodes(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[4];
	char name[8];

	for (int i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		make_file(f, name);
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_up_and_forget, f),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(node_count(f->table), 1);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROMISE(the_root_is_number_one_and_is_never_forgotten),
		PROMISE(the_same_name_is_the_same_node),
		PROMISE(a_hard_link_in_the_same_zone_is_the_same_node),
		PROMISE(a_hard_link_in_another_zone_is_another_node),
		PROMISE(a_number_is_never_given_twice),
		PROMISE(a_file_that_replaced_another_under_its_name_is_another_node),
		PROMISE(a_gone_inode_is_stale),
		PROMISE(children_keep_their_parents_and_paths_follow_renames),
		PROMISE(a_directory_never_becomes_its_own_ancestor),
		PROMISE(a_look_up_from_before_a_rename_does_not_put_a_node_back),
		PROMISE(a_path_that_is_too_long_is_none),
		PROMISE(descriptors_are_bounded_and_found_again),
		PROMISE(threads_may_look_up_and_forget_the_same_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
