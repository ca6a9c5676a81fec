#include <qlroute/qlroute.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    static const char config[] = "{\"predictor\": {\"type\": \"constant\"}}";
    static const char request[] = "{\"messages\": [{\"role\": \"user\", \"content\": \"hello\"}]}";
    qlroute_router* router = NULL;
    char* row = NULL;
    char* error = NULL;
    if (qlroute_abi() != QLROUTE_ABI) return 1;
    if (qlroute_new(config, strlen(config), &router, &error) != QLROUTE_OK ||
        qlroute_route(router, request, strlen(request), &row, &error) != QLROUTE_OK)
        fprintf(stderr, "%s\n", error);
    const int good = row != NULL && strstr(row, "\"endpoint\":") != NULL;
    qlroute_free_text(row);
    qlroute_free_text(error);
    qlroute_free(router);
    return good ? 0 : 1;
}
