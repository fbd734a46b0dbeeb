#include "eval/simulated_models.h"

namespace pointsman::eval {
namespace {

constexpr std::array<SimulatedSkill, kSimulatedModels> kSkills = {{
    {"atlas-large", 0, 3.0, 15.0, 1.25, -0.45, -0.5, 2.0,
     {0.2, 0.2, 0.2, 0.2, 0.1, 0.2, 0.2, 0.2, 0.1, 0.2, 0.2}, 0.55, 450},
    {"atlas-small", 0, 0.4, 1.6, 0.25, -0.60, 0.2, 2.0,
     {0.1, 0.1, 0.2, 0.1, 0.0, 0.1, 0.2, 0.2, 0.0, 0.2, 0.3}, 0.55, 260},
    {"borealis-chat", 1, 1.0, 4.0, 0.50, -0.60, 0.9, 2.0,
     {-0.9, -0.8, 1.0, -0.2, -0.2, -0.3, 0.2, 0.1, -0.7, 1.0, 0.9}, 0.55, 700},
    {"borealis-code", 1, 1.2, 5.0, 0.65, -0.45, -0.8, 2.0,
     {1.0, 1.4, -0.7, -0.8, -0.7, 0.3, -0.8, -0.1, 1.2, -0.5, -0.2}, 0.55, 220},
    {"cinder-13b", 2, 0.3, 0.6, 0.40, -0.75, 1.3, 2.0,
     {-0.1, -0.1, 0.2, -0.3, -0.1, 0.0, 0.1, 0.3, -0.1, 0.2, 0.5}, 0.55, 420},
    {"cinder-7b", 2, 0.1, 0.2, -0.25, -0.75, 0.8, 2.0,
     {-0.3, -0.3, 0.2, -0.3, -0.1, 0.0, 0.1, 0.2, -0.3, 0.2, 0.4}, 0.55, 240},
    {"dune-scholar", 3, 2.0, 8.0, 0.70, -0.35, -1.0, 2.0,
     {-0.6, -1.0, 0.3, 1.2, 1.3, 0.5, 1.2, -0.1, -0.5, 0.2, -0.5}, 0.55, 380},
    {"ember-reason", 4, 4.0, 20.0, 0.95, -0.05, -0.4, 0.3,
     {0.9, 0.5, -0.5, 0.1, 0.1, 0.7, -0.2, 0.2, 0.6, -0.4, -0.4}, 0.10, 140},
}};

constexpr std::array<std::string_view, 32> kOpenings = {
    "I am a nurse on night shift.",
    "This came up at work today.",
    "We are arguing about it over lunch.",
    "I teach evening classes.",
    "My study group is stuck here.",
    "Our small firm has nobody to ask.",
    "A customer wrote this to our help desk.",
    "I'm preparing for an interview.",
    "It's for a newsletter that I edit.",
    "I read something different online.",
    "Quick one before my bus comes.",
    "I asked two friends and got two answers.",
    "I've been out of school for twenty years.",
    "This is from an old notebook of mine.",
    "I run a small workshop.",
    "Our committee has to vote tomorrow.",
    "I'm writing a quiz.",
    "I am checking a draft by somebody else.",
    "The handbook says nothing on this.",
    "I want to understand it properly this time.",
    "My supervisor raised it in passing.",
    "Sorry if it is a silly thing to ask.",
    "I need to be sure before I sign off.",
    "Somebody on the train mentioned this.",
    "I'm on my phone, so forgive typos.",
    "We had this in a workshop last week.",
    "I am collecting examples.",
    "There's a bet riding on it.",
    "I failed at it yesterday.",
    "It is the last item on my list.",
    "I translate such texts now and then.",
    "A neighbour needs help with it.",
};

constexpr std::array<std::string_view, 16> kPlain = {
    "My eight-year-old wants to know.",
    "It must be clear to my grandmother.",
    "Explain it as if to a child of ten.",
    "My little brother asked me at breakfast.",
    "I know nothing at all about the subject.",
    "It's for readers who left school early.",
    "Use words that a child would know.",
    "Say it so that my grandfather can follow.",
    "The audience is a primary school class.",
    "I've never heard of any of this before.",
    "Pretend I am five.",
    "It's meant for a picture book.",
    "My niece is seven and very curious.",
    "Nobody in my family studied, so keep it simple for us.",
    "Please no jargon, I am a complete beginner.",
    "I'll read it aloud in a kindergarten.",
};

constexpr std::array<std::string_view, 24> kClosings = {
    "Please be brief.",
    "Show how you got there.",
    "One sentence will do.",
    "Thanks in advance!",
    "Which of the options is right?",
    "I need this within the hour.",
    "If in doubt, say so.",
    "Pick the best option.",
    "No preamble please.",
    "Double-check before answering.",
    "A short reason would be nice.",
    "Don't guess.",
    "I will pass the reply on.",
    "Just the answer.",
    "Take your time.",
    "It matters more than it seems.",
    "What would an expert say?",
    "Please name the choice.",
    "Cheers.",
    "I'd like to cite it.",
    "Any help is welcome.",
    "Let me know how sure you are.",
    "Many thanks.",
    "That's all for today.",
};

constexpr std::array<std::string_view, 8> kJoins = {
    "And connected with it:", "While we are at it:",      "A second thing:",   "It also leads to this:",
    "Together with:",         "The same page then asks:", "Then there's this:", "Also, in the same breath:",
};

}  // namespace

std::span<const SimulatedSkill, kSimulatedModels> SimulatedSkills() { return kSkills; }
std::span<const std::string_view> OpeningSentences() { return kOpenings; }
std::span<const std::string_view> PlainSentences() { return kPlain; }
std::span<const std::string_view> ClosingSentences() { return kClosings; }
std::span<const std::string_view> JoiningPhrases() { return kJoins; }

}  // namespace pointsman::eval
