#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "bootstrap/data/table_reader.h"

namespace pointsman::bootstrap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TableReader : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "pm-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& content) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::string WriteGzip(const std::string& name, const std::string& content) {
    const std::string path = folder_ / name;
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
    gzclose(file);
    return path;
  }

  std::filesystem::path folder_;
};

constexpr const char* kGood =
    R"({"id":"q1","query":"Two and two?","task":"sums","gold":"B","models":{"small":{"score":0.0,"answer":"A"},)"
    R"("big":{"score":1.0,"answer":"B","cost":0.01,"tokens_in":4,"tokens_out":2}},"ratings":{"thumbs":{"big":1.0}}})"
    "\n";

TEST_F(TableReader, ReadsEveryFieldWithColumnsInNameOrder) {
  const auto table = ReadTable(Write("sums.jsonl", kGood));
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->name, "sums");
  EXPECT_THAT(table->models, ElementsAre("big", "small"));
  EXPECT_THAT(table->sources, ElementsAre("thumbs"));
  ASSERT_EQ(table->rows.size(), 1U);
  const TableRow& row = table->rows[0];
  EXPECT_EQ(row.id, "q1");
  EXPECT_EQ(row.query, "Two and two?");
  EXPECT_EQ(row.task, "sums");
  EXPECT_EQ(row.gold, "B");
  EXPECT_EQ(row.models[0].answer, "B");
  EXPECT_EQ(row.models[0].score, 1);
  EXPECT_EQ(row.models[0].cost_usd, 0.01);
  EXPECT_EQ(row.models[0].tokens_in, 4);
  EXPECT_EQ(row.models[0].tokens_out, 2);
  EXPECT_TRUE(std::isnan(row.models[1].cost_usd));
  EXPECT_EQ(row.ratings[0][0], 1);
  EXPECT_TRUE(std::isnan(row.ratings[0][1]));
  EXPECT_TRUE(table->Complete(row));
}

TEST_F(TableReader, GzipReadsLikePlain) {
  const auto table = ReadTable(WriteGzip("sums.jsonl.gz", kGood));
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->name, "sums");
  EXPECT_EQ(table->rows.size(), 1U);
}

TEST_F(TableReader, BrokenLinesAreNumberedAndCountedAndTheRestIsUsed) {
  const std::string content = std::string(kGood) +  // 1
                              "{\"query\": \n" +    // 2: cut short
                              "\n" +                // 3: empty, no fault
                              R"({"query":"x","models":{"a":{"score":1.5}}})"
                              "\n" +  // 4: out of range
                              R"({"query":"x","models":{}})"
                              "\n" +  // 5: nobody answered
                              R"({"models":{"a":{"score":1}}})"
                              "\n" +  // 6: no query
                              R"({"query":"x","models":{"a":{"score":"high"}}})"
                              "\n" +                                              // 7: a word for a number
                              "{\"query\":\"\xff\",\"models\":{\"a\":{}}}\n" +    // 8: not UTF-8
                              R"({"query":"y","models":{"big":{"score":0.5}}})";  // 9: good, no newline
  const auto table = ReadTable(Write("t.jsonl", content));
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->rows.size(), 2U);
  EXPECT_EQ(table->broken_lines, 6U);
  std::vector<std::uint64_t> lines;
  for (const LineError& error : table->errors) lines.push_back(error.line);
  EXPECT_THAT(lines, ElementsAre(2, 4, 5, 6, 7, 8));
  EXPECT_THAT(table->errors[1].message, HasSubstr("out of range"));
  EXPECT_THAT(table->models, ElementsAre("big", "small")) << "a broken line adds no column";
  EXPECT_FALSE(table->Complete(table->rows[1]));
}

TEST_F(TableReader, ATableWithoutAUsableLineIsRefusedWithTheFirstFaults) {
  const auto table = ReadTable(Write("t.jsonl", "1\n2\n3\n4\n"));
  ASSERT_FALSE(table.ok());
  EXPECT_EQ(table.error().code, Code::kInvalidArgument);
  EXPECT_THAT(table.error().message, HasSubstr("line 3"));
  EXPECT_THAT(table.error().message, ::testing::Not(HasSubstr("line 4")));
  EXPECT_EQ(ReadTable(Write("e.jsonl", "")).error().code, Code::kInvalidArgument);
}

TEST_F(TableReader, AMissingFileIsNotFound) {
  EXPECT_EQ(ReadTable((folder_ / "absent.jsonl").string()).error().code, Code::kNotFound);
  EXPECT_EQ(ReadTable(folder_.string()).error().code, Code::kNotFound);
}

TEST_F(TableReader, LimitsHold) {
  std::string content;
  for (int i = 0; i < 5; ++i) content += kGood;
  const std::string path = Write("t.jsonl", content);
  EXPECT_EQ(ReadTable(path, {.rows_max = 4}).error().code, Code::kResourceExhausted);
  EXPECT_EQ(ReadTable(path, {.models_max = 1}).error().code, Code::kResourceExhausted);
  EXPECT_TRUE(ReadTable(path, {.rows_max = 5, .models_max = 2}).ok());
}

TEST_F(TableReader, ALineBeyondTheLimitIsSkippedAndTheNextOneRead) {
  const std::string content =
      "{\"query\":\"" + std::string(300'000, 'x') + "\",\"models\":{\"a\":{}}}\n" + std::string(kGood);
  const auto table = ReadTable(Write("t.jsonl", content), {.line_bytes_max = 1000});
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->rows.size(), 1U);
  EXPECT_EQ(table->errors.at(0).line, 1U);
  EXPECT_THAT(table->errors.at(0).message, HasSubstr("1000 bytes"));
}

TEST_F(TableReader, AGzipFileCutShortGivesItsWholeLinesAndAFault) {
  std::string content;
  for (int i = 0; i < 3000; ++i)
    content += R"({"id":")" + std::to_string(i * 7919) + R"(","query":"q )" + std::to_string(i * 104729) +
               R"(","models":{"a":{"score":1}}})"
               "\n";
  const std::string path = WriteGzip("t.jsonl.gz", content);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  const auto table = ReadTable(path);
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_GT(table->rows.size(), 100U);
  EXPECT_LT(table->rows.size(), 3000U);
  EXPECT_EQ(table->broken_lines, 1U);
  EXPECT_THAT(table->errors.at(0).message, HasSubstr("damaged"));
}

TEST_F(TableReader, ARatingOfAModelThatNeverAnswersIsLeftOut) {
  const auto table = ReadTable(
      Write("t.jsonl", R"({"query":"x","models":{"a":{"score":1}},"ratings":{"stars":{"a":0.5,"ghost":1}}})"));
  ASSERT_TRUE(table.ok());
  EXPECT_THAT(table->models, ElementsAre("a"));
  EXPECT_EQ(table->rows[0].ratings[0][0], 0.5);
}

TEST_F(TableReader, ReadsLogProbabilityOptionsAndGenerator) {
  const auto table = ReadTable(Write(
      "t.jsonl", R"({"query":"q","options":4,"generator":"gen","models":{"m":{"answer":"A","logprob":-0.25},)"
                 R"("n":{"answer":"B","logprob":null}}})"
                 "\n"));
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->rows[0].options, 4U);
  EXPECT_EQ(table->rows[0].generator, "gen");
  EXPECT_EQ(table->rows[0].models[0].log_probability, -0.25);
  EXPECT_TRUE(std::isnan(table->rows[0].models[1].log_probability));
}

TEST_F(TableReader, ABadLogProbabilityOrNumberOfOptionsIsNamedWithItsLine) {
  const auto table = ReadTable(Write("t.jsonl", "{\"query\":\"q\",\"models\":{\"m\":{\"answer\":\"A\",\"logprob\":0.5}}}\n"
                                                "{\"query\":\"q\",\"models\":{\"m\":{\"answer\":\"A\",\"logprob\":\"nan\"}}}\n"
                                                "{\"query\":\"q\",\"models\":{\"m\":{\"answer\":\"A\",\"logprob\":NaN}}}\n"
                                                "{\"query\":\"q\",\"options\":1,\"models\":{\"m\":{\"answer\":\"A\"}}}\n"
                                                "{\"query\":\"q\",\"options\":2.5,\"models\":{\"m\":{\"answer\":\"A\"}}}\n"
                                                "{\"query\":\"q\",\"models\":{\"m\":{\"answer\":\"A\"}}}\n"));
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->rows.size(), 1U);
  ASSERT_EQ(table->errors.size(), 5U);
  EXPECT_EQ(table->errors[0].line, 1U);
  EXPECT_THAT(table->errors[0].message, HasSubstr("model m: logprob"));
  EXPECT_THAT(table->errors[1].message, HasSubstr("logprob is not a number"));
  EXPECT_THAT(table->errors[3].message, HasSubstr("options"));
  EXPECT_THAT(table->errors[4].message, HasSubstr("whole"));
}

TEST_F(TableReader, ReadsTheCsvOfRouteLlm) {
  const auto table = ReadTable(Write("gsm8k.csv",
                                     "prompt,mixtral,gpt-4,mixtral_response,gpt-4_response\r\n"
                                     "\"A \"\"robe\"\", two\nlines\",True,False,It is 3.,\"#### 4\"\r\n"
                                     "Second?,False,True,,x\r\n"));
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_THAT(table->models, ElementsAre("gpt-4", "mixtral"));
  ASSERT_EQ(table->rows.size(), 2U);
  EXPECT_EQ(table->rows[0].query, "A \"robe\", two\nlines");
  EXPECT_EQ(table->rows[0].models[0].score, 0);
  EXPECT_EQ(table->rows[0].models[1].score, 1);
  EXPECT_EQ(table->rows[0].models[0].answer, "#### 4");
  EXPECT_EQ(table->rows[1].models[1].answer, "");
}

TEST_F(TableReader, ReadsTheCsvOfRouterBench) {
  const auto table = ReadTable(WriteGzip("rb.csv.gz",
                                         ",sample_id,prompt,eval_name,WizardLM/13B,gpt-4,WizardLM/13B|model_response,"
                                         "gpt-4|model_response,WizardLM/13B|total_cost,gpt-4|total_cost,"
                                         "oracle_model_to_route_to\n"
                                         "0,mmlu.1,Which?,mmlu,0.0,0.75,A,B,7e-05,0.0013,gpt-4\n"
                                         "1,mmlu.2,Why?,mmlu,1.0,True,A,B,0,0.1,WizardLM/13B\n"));
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_THAT(table->models, ElementsAre("WizardLM/13B", "gpt-4"));
  EXPECT_EQ(table->rows[0].id, "mmlu.1");
  EXPECT_EQ(table->rows[0].task, "mmlu");
  EXPECT_DOUBLE_EQ(table->rows[0].models[1].score, 0.75);
  EXPECT_DOUBLE_EQ(table->rows[0].models[0].cost_usd, 7e-05);
  EXPECT_EQ(table->rows[0].models[1].answer, "B");
}

TEST_F(TableReader, ReadsTheLinesOfParetoBandit) {
  const auto table = ReadTable(Write("val.jsonl",
                                     R"({"prompt":"Prime?","source":"mbpp","best_arm":"b","arms":{"a":{"reward":0.84,)"
                                     R"("cost":4.5e-05,"near_best":false},"b":{"reward":1.0,"cost":0.03}}})"
                                     "\n"));
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->rows[0].query, "Prime?");
  EXPECT_EQ(table->rows[0].task, "mbpp");
  EXPECT_DOUBLE_EQ(table->rows[0].models[0].score, 0.84);
  EXPECT_DOUBLE_EQ(table->rows[0].models[0].cost_usd, 4.5e-05);
}

TEST_F(TableReader, ABrokenRecordOfACsvIsNamedByItsLineAndLeftOut) {
  const auto table = ReadTable(Write("t.csv",
                                     "prompt,m,n\n"
                                     "fine,True,False\n"
                                     "too few,True\n"
                                     "\"over\ntwo\",True,1.5\n"
                                     "fine too,1,0\n"
                                     "\"open quote,True,False\n"));
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->rows.size(), 2U);
  EXPECT_EQ(table->broken_lines, 3U);
  ASSERT_EQ(table->errors.size(), 3U);
  EXPECT_EQ(table->errors[0].line, 3U);
  EXPECT_EQ(table->errors[1].line, 4U);
  EXPECT_EQ(table->errors[2].line, 7U);
  EXPECT_FALSE(ReadTable(Write("e.csv", "")).ok());
  EXPECT_FALSE(ReadTable(Write("h.csv", "prompt,m,n\n")).ok());
}

}  // namespace
}  // namespace pointsman::bootstrap
