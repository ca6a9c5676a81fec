// The header alone, as C99.
#include <qlroute/qlroute.h>
#include <qlroute/qlroute.h>

int main(void) { return qlroute_abi() == QLROUTE_ABI ? 0 : 1; }
