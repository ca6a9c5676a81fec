// JSON values, as a message shows them.
#pragma once

#include <qlroute/adapt/json_text.hpp>

using qlroute::detail::shown;
