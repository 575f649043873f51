/* axis.c -- see axis.h. */
#include "runtime/report/axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DECIMALS_MAX = 4 };

/* The smallest of 1, 2, 5, 10 times a power of ten that is not below `step`. */
static double round_up(double step)
{
    double power = pow(10, floor(log10(step)));
    double part = step / power;

    if (part <= 1 + 1e-9)
        return power;
    if (part <= 2 + 1e-9)
        return 2 * power;
    return part <= 5 + 1e-9 ? 5 * power : 10 * power;
}

GfAxis gf_axis_over(double low, double high, int ticks)
{
    double widen = fabs(low) > 0 ? 0.1 * fabs(low) : 1;

    if (!(high - low > 1e-9 * fmax(fabs(low), fabs(high)))) {
        low -= low > 0 && low < widen ? low : widen;
        high += widen;
    }
    GfAxis axis = {.step = round_up((high - low) / (ticks > 1 ? ticks - 1 : 1))};
    axis.low = floor(low / axis.step + 1e-9) * axis.step;
    axis.high = ceil(high / axis.step - 1e-9) * axis.step;
    axis.count = (int)lround((axis.high - axis.low) / axis.step) + 1;
    return axis;
}

/* From the nearest whole multiple: sums of steps would drift off the round numbers. */
double gf_axis_tick(const GfAxis *axis, int index)
{
    return (round(axis->low / axis->step) + index) * axis->step;
}

/* "5e-05" and "5e+06" as "5e-5" and "5e6". */
static void add_scientific(GfText *out, double value)
{
    char text[32];

    snprintf(text, sizeof text, "%.3g", value);
    char *e = strchr(text, 'e');
    if (!e) {
        gf_text_add(out, "%s", text);
        return;
    }
    const char *digits = e + 2;
    while (*digits == '0')
        digits++;
    gf_text_add(out, "%.*s%s%s", (int)(e - text) + 1, text, e[1] == '-' ? "-" : "", digits);
}

void gf_axis_number(GfText *out, double value, int decimals)
{
    if (value == 0)
        gf_text_add(out, "0");
    else if (decimals > DECIMALS_MAX || fabs(value) >= 1e6 || fabs(value) < 1e-4)
        add_scientific(out, value);
    else
        gf_text_add(out, "%.*f", decimals > 0 ? decimals : 0, value);
}

void gf_axis_label(GfText *out, const GfAxis *axis, int index)
{
    gf_axis_number(out, gf_axis_tick(axis, index), -(int)floor(log10(axis->step) + 1e-9));
}
