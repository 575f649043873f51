/* chart.c -- see chart.h. */
#include "runtime/report/chart.h"

#include "runtime/report/axis.h"
#include "runtime/report/html.h"

#include <math.h>
#include <string.h>

/* In units of the drawing, which is scaled to the page. */
enum { WIDTH = 560, HEIGHT = 280, LEFT = 52, RIGHT = 24, TOP = 12, BOTTOM = 40 };
enum { PLOT_HEIGHT = HEIGHT - TOP - BOTTOM, LETTER = 7 /* about as wide */ };
enum { X_TICKS = 8, Y_TICKS = 6, LABEL_HEIGHT = 15, LABEL_BYTES = 18, MARKS_MAX = 64, LABELS_MAX = 12 };

typedef struct Plot {
    GfText *out;
    const GfChart *chart;
    GfAxis x, y;
    int width; /* of the part with the curves */
} Plot;

bool gf_chart_has_points(const GfChart *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->curves[i]->count)
            return true;
    return false;
}

/* ---- scales ---- */

static double to_x(const Plot *p, double value)
{
    return LEFT + p->width * (value - p->x.low) / (p->x.high - p->x.low);
}

static double to_y(const Plot *p, double value)
{
    return TOP + PLOT_HEIGHT * (p->y.high - value) / (p->y.high - p->y.low);
}

static void choose_axes(Plot *p)
{
    double last = 0, low = INFINITY, high = -INFINITY;

    for (size_t i = 0; i < p->chart->count; i++) {
        const GfCurve *c = p->chart->curves[i];
        for (size_t k = 0; k < c->count; k++) {
            last = fmax(last, c->points[k].x);
            low = fmin(low, c->points[k].y);
            high = fmax(high, c->points[k].y);
        }
    }
    if (low > 0 && low < 0.5 * high && !p->chart->share)
        low = 0; /* what is near zero is shown from zero */
    p->y = gf_axis_over(low, high, Y_TICKS);
    p->x = gf_axis_over(0, last, X_TICKS);
    p->x.high = last > 0 ? last : p->x.high; /* the last epoch ends the picture, round or not */
    while (gf_axis_tick(&p->x, p->x.count - 1) > p->x.high * (1 + 1e-9))
        p->x.count--;
}

/* ---- the frame ---- */

static void add_grid(const Plot *p)
{
    for (int i = 0; i < p->y.count; i++) {
        double y = to_y(p, gf_axis_tick(&p->y, i));
        gf_text_add(p->out, "<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", i ? "grid" : "base",
                    LEFT, LEFT + p->width, y, y);
        gf_text_add(p->out, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 8, y + 4);
        gf_axis_label(p->out, &p->y, i);
        gf_text_add(p->out, "</text>\n");
    }
    for (int i = 0; i < p->x.count; i++) {
        double x = to_x(p, gf_axis_tick(&p->x, i));
        gf_text_add(p->out, "<line class=\"base\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", x, x,
                    TOP + PLOT_HEIGHT, TOP + PLOT_HEIGHT + 4);
        gf_text_add(p->out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", x,
                    TOP + PLOT_HEIGHT + 18);
        gf_axis_label(p->out, &p->x, i);
        gf_text_add(p->out, "</text>\n");
    }
    gf_text_add(p->out, "<text class=\"tick\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">epoch</text>\n",
                LEFT + p->width / 2, HEIGHT - 4);
}

/* ---- curves ---- */

/* Where a pixel column holds many points, its lowest and highest draw the same picture. */
static void add_path(const Plot *p, const GfCurve *c)
{
    double column = -1, low = 0, high = 0;

    for (size_t i = 0; i < c->count; i++) {
        double x = to_x(p, c->points[i].x), y = to_y(p, c->points[i].y);
        if (i == 0 || floor(x) > column || c->count <= (size_t)p->width) {
            gf_text_add(p->out, "%s%.1f,%.1f", i ? " " : "", x, y);
            column = floor(x);
            low = high = y;
        } else if (y < low || y > high) {
            gf_text_add(p->out, " %.1f,%.1f", x, y);
            low = fmin(low, y);
            high = fmax(high, y);
        }
    }
}

static void add_mark(const Plot *p, const char *name, GfPoint point)
{
    double x = to_x(p, point.x), y = to_y(p, point.y);

    gf_text_add(p->out, "<g class=\"mark\"><title>");
    gf_html_text(p->out, name);
    gf_text_add(p->out, ", epoch %.4g: %.4g</title><circle class=\"aim\" cx=\"%.1f\" cy=\"%.1f\" r=\"10\"/>", point.x,
                point.y, x, y);
    gf_text_add(p->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"/></g>", x, y);
}

/* Some of them, where there are too many to tell apart. */
static void add_marks(const Plot *p, const char *name, const GfCurve *c)
{
    size_t stride = (c->count + MARKS_MAX - 1) / MARKS_MAX;

    for (size_t i = 0; i < c->count; i++)
        if (i % stride == 0 || i + 1 == c->count)
            add_mark(p, name, c->points[i]);
}

static void add_curve(const Plot *p, size_t index)
{
    const GfCurve *c = p->chart->curves[index];

    if (c->count == 0)
        return;
    gf_text_add(p->out, "<g class=\"curve s%zu%s\"><polyline points=\"", index % GF_CHART_STYLES,
                c->count > MARKS_MAX ? " dense" : "");
    add_path(p, c);
    gf_text_add(p->out, "\"/>\n");
    add_marks(p, p->chart->names[index], c);
    gf_text_add(p->out, "</g>\n");
}

/* ---- names at the ends ---- */

typedef struct Label {
    size_t index;
    double y;
} Label;

/* In the order of the heights of the ends. */
static size_t collect_labels(const Plot *p, Label labels[LABELS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < p->chart->count; i++) {
        const GfCurve *c = p->chart->curves[i];
        if (c->count == 0)
            continue;
        double y = to_y(p, c->points[c->count - 1].y);
        size_t at = count++;
        for (; at > 0 && labels[at - 1].y > y; at--)
            labels[at] = labels[at - 1];
        labels[at] = (Label){i, y};
    }
    return count;
}

/* Push apart what would overlap: down from the top, then up from the bottom. */
static void spread_labels(Label *labels, size_t count)
{
    double limit = TOP + PLOT_HEIGHT;

    for (size_t i = 1; i < count; i++)
        labels[i].y = fmax(labels[i].y, labels[i - 1].y + LABEL_HEIGHT);
    for (size_t i = count; i-- > 0; limit -= LABEL_HEIGHT)
        labels[i].y = fmin(labels[i].y, limit);
}

/* The end of a name that is too long, where paths differ; from a whole UTF-8 character on. */
static void add_short_name(GfText *out, const char *name)
{
    size_t length = strlen(name), skip = length > LABEL_BYTES ? length - LABEL_BYTES + 1 : 0;

    while (skip > 0 && ((unsigned char)name[skip] & 0xc0) == 0x80)
        skip++;
    gf_text_add(out, skip ? "…" : "");
    gf_html_text(out, name + skip);
}

static bool has_labels(const GfChart *c)
{
    return c->count > 1 && c->count <= LABELS_MAX;
}

/* Room on the right for the longest name. */
static int plot_width(const GfChart *c)
{
    size_t longest = 0;

    for (size_t i = 0; has_labels(c) && i < c->count; i++) {
        size_t length = strlen(c->names[i]);
        longest = length > longest ? length : longest;
    }
    return WIDTH - LEFT - RIGHT - LETTER * (int)(longest < LABEL_BYTES ? longest : LABEL_BYTES);
}

static void add_labels(const Plot *p)
{
    Label labels[LABELS_MAX];

    if (!has_labels(p->chart))
        return;
    size_t count = collect_labels(p, labels);
    spread_labels(labels, count);
    for (size_t i = 0; i < count; i++) {
        const GfCurve *c = p->chart->curves[labels[i].index];
        gf_text_add(p->out, "<text class=\"name s%zu\" x=\"%.1f\" y=\"%.1f\">", labels[i].index % GF_CHART_STYLES,
                    to_x(p, c->points[c->count - 1].x) + 8, labels[i].y + 4);
        add_short_name(p->out, p->chart->names[labels[i].index]);
        gf_text_add(p->out, "</text>\n");
    }
}

void gf_chart_add(GfText *out, const GfChart *chart)
{
    Plot p = {.out = out, .chart = chart, .width = plot_width(chart)};

    choose_axes(&p);
    gf_text_add(out,
                "<figure><figcaption>%s</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s over "
                "epochs, a line a variant; the figures are in the titles of its points\">\n",
                chart->title, WIDTH, HEIGHT, chart->title);
    add_grid(&p);
    for (size_t i = 0; i < chart->count; i++)
        add_curve(&p, i);
    add_labels(&p);
    gf_text_add(out, "</svg></figure>\n");
}

void gf_chart_key(GfText *out, size_t index)
{
    gf_text_add(out,
                "<svg class=\"key\" viewBox=\"0 0 30 10\" aria-hidden=\"true\"><g class=\"curve s%zu\"><polyline "
                "points=\"0,5 30,5\"/></g></svg>",
                index % GF_CHART_STYLES);
}
