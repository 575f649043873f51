/* replay.c -- a fuzz target without a fuzzer: the files of the folders named, each
 * whole and with every byte missing or cut off behind it.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>

enum { NAME_MAX_LENGTH = 4096, SIZE_MAX_CUT = 4096 };

static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    FUZZ_CHECK(copy);
    LLVMFuzzerTestOneInput(data, size);
    for (size_t i = 0; i < size && i < SIZE_MAX_CUT; i++) {
        LLVMFuzzerTestOneInput(data, i);
        memcpy(copy, data, i);
        memcpy(copy + i, data + i + 1, size - i - 1);
        LLVMFuzzerTestOneInput(copy, size - 1);
    }
    free(copy);
}

static void run_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0, room = 0, got = 1;

    FUZZ_CHECK(in);
    while (got > 0) {
        if (size == room)
            data = realloc(data, room = room ? room * 2 : 4096);
        FUZZ_CHECK(data);
        size += got = fread(data + size, 1, room - size, in);
    }
    fclose(in);
    run(data, size);
    free(data);
}

static size_t run_folder(const char *folder)
{
    char path[NAME_MAX_LENGTH];
    DIR *dir = opendir(folder);
    size_t count = 0;

    FUZZ_CHECK(dir);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        run_file(path);
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t count = run_folder(argv[i]);
        printf("%s: %zu files\n", argv[i], count);
        FUZZ_CHECK(count > 0);
    }
    return argc > 1 ? 0 : 2;
}
