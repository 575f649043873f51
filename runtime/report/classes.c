/* classes.c -- see classes.h. */
#include "runtime/report/classes.h"

#include "runtime/report/html.h"
#include "runtime/train/comparison.h"

enum { PERCENT_MAX = 16 /* with more classes the percentages are in titles alone */ };
#define SHADE_MAX 0.55 /* of a row's whole: text stays readable on it in light and dark */

static uint64_t row_total(const GfReportScores *s, size_t truth)
{
    uint64_t sum = 0;

    for (size_t c = 0; c < s->class_count; c++)
        sum += s->confusion[truth * s->class_count + c];
    return sum;
}

/* ---- the matrix ---- */

static void add_cell(GfText *out, const GfReportScores *s, size_t truth, size_t predicted)
{
    uint64_t count = s->confusion[truth * s->class_count + predicted], total = row_total(s, truth);
    double share = total ? (double)count / (double)total : 0;
    const char *class = truth == predicted ? " class=\"hit\"" : count ? "" : " class=\"none\"";

    gf_text_add(out, "<td%s style=\"--p:%.3f\" title=\"", class, SHADE_MAX * share);
    gf_html_text(out, s->labels[truth]);
    gf_text_add(out, " taken for ");
    gf_html_text(out, s->labels[predicted]);
    gf_text_add(out, ": %.1f %%\">", 100 * share);
    gf_add_count(out, (int64_t)count);
    if (count && s->class_count <= PERCENT_MAX)
        gf_text_add(out, share >= 0.0095 ? "<small>%.0f %%</small>" : "<small>%.1f %%</small>", 100 * share);
    gf_text_add(out, "</td>");
}

static void add_matrix(GfText *out, const GfReportRun *run)
{
    const GfReportScores *s = &run->scores;

    gf_text_add(out, "<div class=\"wide\" tabindex=\"0\"><table class=\"matrix\"><caption>Confusion matrix of ");
    gf_html_text(out, run->name);
    gf_text_add(out, ": a row a true class, a column a predicted one; shares are of the row</caption>\n"
                     "<thead><tr><th class=\"corner\" scope=\"col\">truth \\ predicted</th>");
    for (size_t c = 0; c < s->class_count; c++) {
        gf_text_add(out, "<th scope=\"col\">");
        gf_html_text(out, s->labels[c]);
        gf_text_add(out, "</th>");
    }
    gf_text_add(out, "</tr></thead>\n<tbody>\n");
    for (size_t truth = 0; truth < s->class_count; truth++) {
        gf_text_add(out, "<tr><th scope=\"row\">");
        gf_html_text(out, s->labels[truth]);
        gf_text_add(out, "</th>");
        for (size_t c = 0; c < s->class_count; c++)
            add_cell(out, s, truth, c);
        gf_text_add(out, "</tr>\n");
    }
    gf_text_add(out, "</tbody></table></div>\n");
}

/* ---- the scores ---- */

static void add_class(GfText *out, const char *label, const GfClassScores *c)
{
    gf_text_add(out, "<tr><th scope=\"row\">");
    gf_html_text(out, label);
    gf_text_add(out, "</th><td>%.4f</td><td>%.4f</td><td class=\"meter\" style=\"--p:%.4f\">%.4f</td><td>",
                c->precision, c->recall, c->f1, c->f1);
    gf_add_count(out, (int64_t)c->support);
    gf_text_add(out, "</td></tr>\n");
}

static void add_scores(GfText *out, const GfReportRun *run)
{
    const GfReportScores *s = &run->scores;

    gf_text_add(out, "<div class=\"wide\" tabindex=\"0\"><table><caption>Scores of ");
    gf_html_text(out, run->name);
    gf_text_add(out,
                " by class</caption>\n<thead><tr><th scope=\"col\">class</th><th scope=\"col\">precision</th>"
                "<th scope=\"col\">recall</th><th scope=\"col\">F1</th><th scope=\"col\">examples</th></tr></thead>\n"
                "<tbody>\n");
    for (size_t c = 0; c < s->class_count; c++)
        add_class(out, s->labels[c], &s->classes[c]);
    gf_text_add(out, "</tbody></table></div>\n");
}

bool gf_report_has_classes(const GfReportRun *run)
{
    return run->scores.classes || run->scores.confusion;
}

void gf_report_classes(GfText *out, const GfReportRun *run)
{
    const GfReportScores *s = &run->scores;

    gf_text_add(out, "<div class=\"pair\">\n");
    if (s->confusion && s->class_count <= GF_REPORT_MATRIX_MAX)
        add_matrix(out, run);
    else if (s->class_count > GF_REPORT_MATRIX_MAX)
        gf_text_add(out, "<p class=\"note\">With %zu classes no confusion matrix is drawn.</p>\n", s->class_count);
    if (s->classes)
        add_scores(out, run);
    gf_text_add(out, "</div>\n");
}
