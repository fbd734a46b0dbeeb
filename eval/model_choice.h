// Which models of a table take part, and the table that is left.
//
// Pure and deterministic. Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bootstrap/data/table_reader.h"
#include "eval/table_world.h"

namespace pointsman::eval {

// Columns chosen by `selector`, ascending:
//   ""           all
//   best:N       the N of best mean score over the usable rows; worst:N the N of least
//   random:N     N at random by `seed`
//   lock-in      the best and the 14 weakest: a pool in which a learner that pools
//                too much never finds the best one
//   A,B,...      by name
// Errors: INVALID_ARGUMENT (model_selector) for anything else, NOT_FOUND
// (unknown_model) listing the names, OUT_OF_RANGE for too few or too many.
Result<std::vector<std::size_t>> ChooseModels(const TableWorld& world, std::string_view selector, std::uint64_t seed);

// The usable rows of `world` with these columns alone. Ratings of the world's
// source are written out under its name, so that a derived source keeps its
// reference also where that model does not take part. Where a row has costs but no
// lengths, tokens_out becomes the cost in units of 1e-6 US dollars: what a model
// that costs one dollar per million tokens would have written.
bootstrap::Table KeepModels(const TableWorld& world, const std::vector<std::size_t>& columns);

// US dollars per million output tokens that explain the table's costs, by column;
// 0 where it has no costs.
std::vector<double> OutputPrices(const TableWorld& world);

}  // namespace pointsman::eval
