#include "admin/cli/app_eval.h"

#include <memory>
#include <string>
#include <vector>

#include "admin/cli/eval_cascal.h"
#include "admin/cli/eval_e1.h"
#include "admin/cli/eval_e2.h"
#include "admin/cli/eval_judges.h"
#include "admin/cli/eval_meta.h"
#include "admin/cli/eval_options.h"
#include "admin/cli/eval_protocol.h"
#include "admin/cli/eval_stream.h"
#include "admin/cli/eval_trouter.h"
#include "admin/cli/offline_verbs.h"

namespace pointsman::cli {
namespace {

// Every protocol, in the order of the help.
std::vector<std::unique_ptr<EvalProtocol>> Protocols() {
  std::vector<std::unique_ptr<EvalProtocol>> protocols;
  protocols.push_back(MakeE1Protocol());
  protocols.push_back(MakeStreamProtocol());
  protocols.push_back(MakeE2Protocol());
  protocols.push_back(MakeCascalProtocol());
  protocols.push_back(MakeTrouterProtocol());
  protocols.push_back(MakeMetaProtocol());
  protocols.push_back(MakeJudgesProtocol());
  return protocols;
}

struct EvalVerb {
  explicit EvalVerb(CLI::App& verb) : options(verb) {}
  EvalOptions options;
  std::vector<std::unique_ptr<EvalProtocol>> protocols = Protocols();
  std::string protocol = "e1";
};

Exit Evaluate(Context& context, const EvalVerb& verb) {
  std::string names;
  for (const auto& protocol : verb.protocols) {
    names += (names.empty() ? "" : ", ") + protocol->name();
    if (protocol->name() != verb.protocol) continue;
    if (Status read = verb.options.Read(verb.protocol); !read.ok()) return context.Fail(read.error());
    return protocol->Run(context);
  }
  return context.Fail(
      MakeError(Code::kInvalidArgument, "unknown_protocol", "no protocol " + verb.protocol + "; there are " + names));
}

}  // namespace

void AddEval(CLI::App& app, Context& context) {
  CLI::App* added =
      AddVerb(app, context, "eval", "Plays a protocol on a table of outcomes, all arms on the same stream",
              "pointsman eval --protocol e1 --data mmlupro.jsonl.gz --source weak_agree --seeds 10");
  added->group(kOfflineGroup);
  auto verb = std::make_shared<EvalVerb>(*added);
  std::string purposes;
  for (const auto& protocol : verb->protocols) {
    purposes += (purposes.empty() ? "" : "; ") + protocol->name() + ": " + protocol->purpose();
    verb->options.Begin(protocol->name());
    protocol->Declare(verb->options);
  }
  added->add_option("--protocol", verb->protocol, purposes)->capture_default_str();
  verb->options.Describe();
  added->callback([&context, verb] { context.exit = Evaluate(context, *verb); });
}

}  // namespace pointsman::cli
