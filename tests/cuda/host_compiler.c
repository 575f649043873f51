/* host_compiler.c -- see host_compiler.h. */
#include "tests/cuda/host_compiler.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool host_build_begin(HostBuild *b)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(b->folder, sizeof b->folder, "%.64s/graft-emulate-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(b->folder))
        return false;
    snprintf(b->source, sizeof b->source, "%s/k.cc", b->folder);
    snprintf(b->library, sizeof b->library, "%s/k.so", b->folder);
    snprintf(b->log, sizeof b->log, "%s/log", b->folder);
    return true;
}

static bool spawn(char *const *command, const char *log)
{
    posix_spawn_file_actions_t actions;
    pid_t child;
    int state;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    int error = posix_spawnp(&child, command[0], &actions, NULL, command, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error == 0 && waitpid(child, &state, 0) == child && WIFEXITED(state) && WEXITSTATUS(state) == 0;
}

bool host_build_run(const HostBuild *b)
{
    char library[sizeof b->library], source[sizeof b->source];
    char *command[] = {GRAFT_CXX, "-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-o", library, source, NULL};

    snprintf(library, sizeof library, "%s", b->library);
    snprintf(source, sizeof source, "%s", b->source);
    return spawn(command, b->log);
}

void host_build_end(const HostBuild *b)
{
    unlink(b->source);
    unlink(b->library);
    unlink(b->log);
    rmdir(b->folder);
}

char *host_read_file(const char *path, size_t *size)
{
    struct stat st;
    FILE *f = fopen(path, "rb");

    *size = 0;
    if (!f)
        return NULL;
    char *data = fstat(fileno(f), &st) == 0 ? malloc((size_t)st.st_size + 1) : NULL;
    if (data) {
        *size = fread(data, 1, (size_t)st.st_size, f);
        data[*size] = '\0';
    }
    fclose(f);
    return data;
}
