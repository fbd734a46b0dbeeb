// Labels as a generator of questions would give them: agreement with its reference
// answers, of which a share is wrong.
//
// Which references are wrong, and how, decides what they cost. Letters at random
// cancel out over many rows. The models' commonest error rewards who errs with the
// crowd. A model as the generator errs where that model does, with its answers, and
// its labels favour it and its relatives.
// Pure and deterministic; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "bootstrap/data/table_reader.h"

namespace pointsman::eval {

inline constexpr char kRandomFault[] = "random";    // any other letter, rows at random
inline constexpr char kPopularFault[] = "popular";  // the commonest wrong answer, rows at random

// A copy of the table with the scores of `rows` replaced: 1 where the answer is the
// reference. `error` in [0,1] is the share of wrong references; `fault` one of the
// names above, or a model's: then the wrong references are that model's wrong answers.
// Errors: FAILED_PRECONDITION no_reference for a row without a right answer, naming
// it, and one_reference where all are alike; NOT_FOUND unknown_model; OUT_OF_RANGE
// generator_errs_less where the model errs in a smaller share of the rows.
Result<bootstrap::Table> GeneratedLabels(const bootstrap::Table& table, std::span<const std::size_t> rows, double error,
                                         const std::string& fault, std::uint64_t seed);

}  // namespace pointsman::eval
