/* test_floors.c -- includes only go down the floors of the house (CONTRIBUTING.md). */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Which folders a folder may include from; the longest matching row holds. */
static const struct {
    const char *folder;
    const char *may[8];
} floors[] = {
    {"ir/", {"ir/"}},
    {"passes/", {"ir/", "passes/"}},
    {"frontend/graph/", {"ir/", "frontend/graph/"}},
    {"codegen/", {"ir/", "codegen/"}},
    {"runtime/", {"ir/", "passes/", "frontend/graph/", "codegen/codegen.h", "codegen/program_file.h", "runtime/"}},
    {"frontend/cli/", {"ir/", "passes/", "frontend/", "codegen/codegen.h", "runtime/"}},
};

static bool allowed(const char *file, const char *include)
{
    for (size_t i = 0; i < sizeof floors / sizeof *floors; i++) {
        if (strncmp(file, floors[i].folder, strlen(floors[i].folder)) != 0)
            continue;
        for (size_t k = 0; k < 8 && floors[i].may[k]; k++) {
            if (strncmp(include, floors[i].may[k], strlen(floors[i].may[k])) == 0)
                return true;
        }
    }
    return false;
}

static int check_file(const char *root, const char *file)
{
    char path[4096], line[1024], include[512];
    int wrong = 0;

    snprintf(path, sizeof path, "%s/%s", root, file);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, " # include \"%511[^\"]\"", include) != 1 || allowed(file, include))
            continue;
        print_error("%s includes %s\n", file, include);
        wrong++;
    }
    fclose(f);
    return wrong;
}

static bool is_source(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcmp(dot, ".c") == 0 || strcmp(dot, ".h") == 0);
}

static int check_folder(const char *root, const char *folder, int *files)
{
    char path[4096];
    int wrong = 0;

    snprintf(path, sizeof path, "%s/%s", root, folder);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));) {
        char inner[2048];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof inner, "%s%s", folder, entry->d_name);
        if (entry->d_type == DT_DIR) {
            strcat(inner, "/");
            wrong += check_folder(root, inner, files);
        } else if (is_source(entry->d_name)) {
            wrong += check_file(root, inner);
            ++*files;
        }
    }
    closedir(d);
    return wrong;
}

static void test_includes_go_down(void **state)
{
    int wrong = 0, files = 0;

    (void)state;
    for (size_t i = 0; i < sizeof floors / sizeof *floors; i++)
        wrong += check_folder(GRAFT_SOURCE_DIR, floors[i].folder, &files);
    assert_true(files > 50);
    assert_int_equal(wrong, 0);
}

/* The rule refuses what it should refuse. */
static void test_rule_refuses(void **state)
{
    (void)state;
    assert_false(allowed("ir/graph.c", "passes/passes.h"));
    assert_false(allowed("passes/fuse.c", "codegen/codegen.h"));
    assert_false(allowed("passes/fuse.c", "frontend/graph/json.h"));
    assert_false(allowed("codegen/schedule.c", "passes/passes.h"));
    assert_false(allowed("runtime/exec/exec.c", "codegen/cpu/ll.h"));
    assert_false(allowed("runtime/exec/exec.c", "frontend/cli/cli.h"));
    assert_true(allowed("codegen/cpu/ll.c", "codegen/cpu/ll.h"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_includes_go_down), cmocka_unit_test(test_rule_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
