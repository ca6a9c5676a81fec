// The lexical weights that are part of the program.
#pragma once

#include <qlroute/difficulty/lexical.hpp>

qlroute::lexical_difficulty built_in_lexical();
