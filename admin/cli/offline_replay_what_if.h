// `pointsman replay --what-if`: the log folded twice, as it was and with other learner
// options, and how the beliefs would differ.
//
// Each gold label is scored on both sides before it is learnt, at the prediction of that
// moment: mean squared errors, z^2 as in calibration, and their paired difference. At the
// end: levels of the models, and for the latest decisions which model would lead.
// Refits are computed anew on the other side, at the places where the log has them; what
// was decided and what came back stays as it was. Threads: one.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "admin/cli/context.h"
#include "policy/world/options.h"

namespace pointsman::cli {

// Learner options from the text of a configuration file; `name` is for messages.
using OptionsReader = std::function<Result<policy::Options>(std::string_view text, const std::string& name)>;

// Exit kOk whatever is found; kConfig for a bad file; kNegative where nothing was decided.
Exit ReplayWhatIf(Context& context, const std::string& directory, const std::string& file, const OptionsReader& read);

}  // namespace pointsman::cli
