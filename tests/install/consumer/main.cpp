#include <qlroute/adapt/eigen.hpp>
#include <qlroute/eval/sweep.hpp>
#include <qlroute/qlroute.hpp>

int main() { return qlroute::cost::decode{}(qlroute::scenario<>{}) == qlroute::seconds(0) ? 0 : 1; }
