/*
 * replay.c: runs a fuzz target over kept inputs: the files and directories named on the command
 * line. For compilers without libFuzzer, and for CI, where the corpus is a test like any other.
 *
 *   replay_rings corpus/rings         exit 0: every input passed; a finding aborts, and the last
 * line printed is the input that did it
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "input.h"

static unsigned long inputs;

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;

    if (!file || fstat(fileno(file), &info) != 0) {
        fprintf(stderr, "replay: cannot read %s: %s\n", path, strerror(errno));
        if (file) {
            fclose(file);
        }
        return -1;
    }
    /* Exactly as large as the input, so that a sanitizer sees a read beyond it. */
    size_t bytes = (size_t)info.st_size;
    uint8_t *data = malloc(bytes != 0 ? bytes : 1);
    bool whole = data && fread(data, 1, bytes, file) == bytes;
    fclose(file);
    if (!whole) {
        fprintf(stderr, "replay: cannot read all of %s\n", path);
        free(data);
        return -1;
    }
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, bytes);
    inputs++;
    free(data);
    return 0;
}

static int replay_directory(const char *path, DIR *directory)
{
    struct dirent *entry;
    int result = 0;

    while (result == 0 && (entry = readdir(directory))) {
        char name[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        result = replay_file(name);
    }
    return result;
}

int main(int argc, char **argv)
{
    int result = 0;

    for (int i = 1; i < argc && result == 0; i++) {
        DIR *directory = opendir(argv[i]);
        if (directory) {
            result = replay_directory(argv[i], directory);
            closedir(directory);
        } else {
            result = replay_file(argv[i]);
        }
    }
    if (result != 0 || inputs == 0) {
        fprintf(stderr, "replay: %lu inputs ran; name a corpus directory or files\n", inputs);
        return 1;
    }
    printf("%lu inputs passed\n", inputs);
    return 0;
}
