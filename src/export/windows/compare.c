/* Enrols images with kface.h and compares them all, and writes what came out: run on Linux and on Windows, the two files
 * say how far the libraries agree. It needs nothing but the library.
 *
 *     compare LIST OUT
 *
 * LIST is UTF-8: the bundle's path, then an image's path a line. OUT receives, little-endian:
 *     8 bytes "KFACECMP"; int32 number of images n; int32 bytes of a template t; double of kface_self_check
 *     n times: int32 status; kface_face; t bytes of template
 *     n * n doubles of kface_match, and n * n floats of kface_match_many
 *     double milliseconds for an enrolment; double for a match
 * Returns 0, or 1 and a line on the error stream. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kface.h"

#define MOST 4096

static char *lines[MOST];

static int fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, kface_last_error());
    return 1;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

static int read_lines(const char *path) {
    static char text[1 << 20];
    FILE *file = fopen(path, "rb");
    int count = 0;
    if (!file) return 0;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    for (char *line = strtok(text, "\r\n"); line && count < MOST; line = strtok(NULL, "\r\n")) lines[count++] = line;
    return count;
}

int main(int argc, char **argv) {
    kface_handle *handle = NULL;
    double cosine = 0, started, enrolment, match;
    int32_t size, n;
    uint8_t *templates;
    float *many;
    FILE *out;
    if (argc != 3) return fail("usage: compare LIST OUT");
    n = read_lines(argv[1]) - 1;
    if (n < 1) return fail("the list is empty");
    if (kface_open(lines[0], NULL, &handle) != KFACE_OK) return fail("kface_open");
    if (kface_self_check(handle, &cosine) != KFACE_OK) return fail("kface_self_check");
    size = kface_template_size(handle);
    templates = malloc((size_t)n * (size_t)size);
    many = malloc((size_t)n * (size_t)n * sizeof *many);
    out = fopen(argv[2], "wb");
    if (!templates || !many || !out) return fail("memory or output");
    fwrite("KFACECMP", 1, 8, out);
    fwrite(&n, 4, 1, out);
    fwrite(&size, 4, 1, out);
    fwrite(&cosine, 8, 1, out);
    started = now();
    for (int i = 0; i < n; ++i) {
        kface_face face;
        uint8_t *at = templates + (size_t)i * (size_t)size;
        int32_t status = kface_enroll_file(handle, lines[i + 1], at, (size_t)size, &face);
        if (status < 0) fprintf(stderr, "%s: %s\n", lines[i + 1], kface_last_error());
        fwrite(&status, 4, 1, out);
        fwrite(&face, sizeof face, 1, out);
        fwrite(at, 1, (size_t)size, out);
    }
    enrolment = (now() - started) / n;
    started = now();
    for (int i = 0; i < n; ++i)
        for (int j = 0; j < n; ++j) {
            double similarity;
            kface_status status = kface_match(handle, templates + (size_t)i * (size_t)size, (size_t)size,
                                              templates + (size_t)j * (size_t)size, (size_t)size, &similarity);
            if (status < 0) return fail("kface_match");
            fwrite(&similarity, 8, 1, out);
        }
    match = (now() - started) / n / n;
    if (kface_match_many(handle, templates, (size_t)n, templates, (size_t)n, (size_t)size, many) < 0)
        return fail("kface_match_many");
    fwrite(many, sizeof *many, (size_t)n * (size_t)n, out);
    fwrite(&enrolment, 8, 1, out);
    fwrite(&match, 8, 1, out);
    kface_close(handle);
    return fclose(out) ? fail("the output cannot be written") : 0;
}
