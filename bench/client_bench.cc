// Route by text over the Unix socket with the C++ client, one at a time: the other
// side of bench/client_bench.py, which runs both in turns.
//
//   client_bench SOCKET COUNT      prints the p50 in microseconds
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "clients/cpp/client.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  auto client = pointsman::client::Client::Connect({.socket_path = argv[1]});
  if (!client.ok()) return 69;
  std::vector<double> micros;
  for (int i = 0, count = std::atoi(argv[2]); i < count; ++i) {
    const auto start = std::chrono::steady_clock::now();
    pointsman::wire::Route route;
    route.set_text("What is 2 + 2, and why?");
    const auto reply = client->Call(route);
    if (!reply.ok() || reply->model().empty()) return 1;
    micros.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  if (micros.empty()) return 2;
  std::nth_element(micros.begin(), micros.begin() + static_cast<std::ptrdiff_t>(micros.size() / 2), micros.end());
  std::printf("%.1f\n", micros[micros.size() / 2]);
  return 0;
}
