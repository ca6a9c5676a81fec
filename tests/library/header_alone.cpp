// The header alone, as C++.
#include <qlroute/qlroute.h>
#include <qlroute/qlroute.h>

int main() { return qlroute_abi() == QLROUTE_ABI ? 0 : 1; }
