/* What a program has allocated and not freed: loaded before it (LD_PRELOAD), writes "seconds bytes" to
 * the file named by HEAP_IN_USE, once a second. glibc; in use is also what a thread keeps in its cache (tcache). */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void* watch(void* path) {
    FILE* const file = fopen(path, "w");
    if (file == NULL) return NULL;
    for (unsigned second = 0;; ++second) {
        const struct mallinfo2 heap = mallinfo2();
        fprintf(file, "%u %zu\n", second, heap.uordblks + heap.hblkhd);
        fflush(file);
        sleep(1);
    }
}

__attribute__((constructor)) static void start(void) {
    char* const path = getenv("HEAP_IN_USE");
    pthread_t thread;
    if (path != NULL && pthread_create(&thread, NULL, watch, path) == 0) pthread_detach(thread);
}
