/* Stands between a program and the kernel, and refuses to open files as a driver does: each line of the
 * file REFUSE has an error number and a path. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refused(const char *path) {
    const char *name = getenv("REFUSE");
    char line[4096], of[4000];
    int error = 0, number;
    FILE *list = name ? fopen(name, "re") : NULL;
    while (list && !error && fgets(line, sizeof line, list))
        if (sscanf(line, "%d %3999s", &number, of) == 2 && strcmp(of, path) == 0)
            error = number;
    if (list)
        fclose(list);
    return error;
}

int open64(const char *path, int flags, ...) {
    static int (*next)(const char *, int, ...);
    va_list rest;
    int mode, error = refused(path);
    if (error) {
        errno = error;
        return -1;
    }
    if (!next)
        next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    va_start(rest, flags);
    mode = va_arg(rest, int);
    va_end(rest);
    return next(path, flags, mode);
}
