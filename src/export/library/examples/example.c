/* Are the people in two pictures the same one?
 *
 *     example BUNDLE A.jpg B.jpg [THRESHOLD]
 *
 * The threshold is match.recognised in the bundle's deploy.yaml. Exit status: 0 the same, 1 others, 2 an error. */
#include <stdio.h>
#include <stdlib.h>

#include <kface.h>

int main(int argc, char **argv)
{
    kface_handle *handle = NULL;
    uint8_t *templates[2] = {NULL, NULL};
    double similarity = KFACE_FAILED_SIMILARITY;
    int result = 2;
    int i;

    if (argc < 4) {
        fprintf(stderr, "usage: example BUNDLE A.jpg B.jpg [THRESHOLD]\n");
        return 2;
    }
    if (kface_open(argv[1], NULL, &handle) != KFACE_OK) {
        fprintf(stderr, "%s\n", kface_last_error());
        return 2;
    }
    for (i = 0; i < 2; ++i) {
        templates[i] = malloc((size_t)kface_template_size(handle));
        if (!templates[i]) goto end;
        /* A picture without a face yields a template too: it is like nobody. */
        if (kface_enroll_file(handle, argv[2 + i], templates[i], (size_t)kface_template_size(handle), NULL) < 0) {
            fprintf(stderr, "%s\n", kface_last_error());
            goto end;
        }
    }
    if (kface_match(handle, templates[0], (size_t)kface_template_size(handle), templates[1],
                    (size_t)kface_template_size(handle), &similarity) < 0) {
        fprintf(stderr, "%s\n", kface_last_error());
        goto end;
    }
    printf("%.6f\n", similarity);
    result = argc < 5 || similarity >= atof(argv[4]) ? 0 : 1;
end:
    free(templates[0]);
    free(templates[1]);
    kface_close(handle);
    return result;
}
