// Routers that come and go leave nothing behind, and texts neither: 10,000 of them, with calls that fail in between.
// The leaks themselves are AddressSanitizer's to find; this one counts pages.
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <unistd.h>

/// Resident, in bytes; 0 where the system does not say.
static long resident(void) {
    long pages = 0;
    long all = 0;
    FILE* file = fopen("/proc/self/statm", "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%ld %ld", &all, &pages) != 2) pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void come_and_go(void) {
    static const char* const request =
        "{\"chat\": \"a\", \"messages\": [{\"role\": \"user\", \"content\": \"hello\"}]}";
    char* error = NULL;
    char* row = NULL;
    qlroute_router* router = router_of(two_places);
    CHECK(qlroute_route(router, request, strlen(request), &row, &error) == QLROUTE_OK);
    qlroute_free_text(row);
    CHECK(qlroute_route(router, "{}", 2, &row, &error) == QLROUTE_BAD_REQUEST);
    qlroute_free_text(error);
    qlroute_free(router);
    CHECK(qlroute_new("{\"endpoints\": []}", 17, &router, &error) == QLROUTE_BAD_CONFIG);
    qlroute_free_text(error);
}

int main(void) {
    const int all = 10000;
    for (int i = 0; i < all / 10; ++i) come_and_go();
    const long before = resident();
    for (int i = all / 10; i < all; ++i) come_and_go();
    const long after = resident();
    printf("resident: %ld kB after %d routers, %ld kB after %d\n", before / 1024, all / 10, after / 1024, all);
#if !defined(__SANITIZE_ADDRESS__) && !defined(QLROUTE_SANITIZED)  // what is freed stays resident for a while there
    CHECK(after - before < 512 * 1024);
#endif
    return failures == 0 ? 0 : 1;
}
