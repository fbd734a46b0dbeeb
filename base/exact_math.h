// Mathematics for the fold: the same bits on every x86-64 machine.
//
// Only + - * / and ldexp are used, in a fixed order, so no libm version can
// change a bit. Built with -ffp-contract=off. For everything outside the fold
// std:: is fine.
#pragma once

#include <span>

namespace pointsman::exact {

// 2^x. Relative error below 2^-50 for |x| <= 1000; 0 below -1080, infinity
// above 1024; Exp2(0) is exactly 1 and Exp2 of an integer is exact.
double Exp2(double x);
// Natural exponential, through Exp2. Relative error below 1e-13 for |x| <= 700.
double Exp(double x);
// Exp of each number in place, to the same bits; about three times as fast as one
// after the other, since their series do not wait for each other.
void ExpEach(std::span<double> numbers);
// Natural logarithm of x > 0. Absolute error below 1e-15 * max(1, |log x|).
// REQUIREs a finite x > 0.
double Log(double x);

}  // namespace pointsman::exact
