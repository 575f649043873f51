/* match.c -- see match.h. */
#include "ir/match.h"

#include <string.h>

/* Whether the pattern [p, end) matches all of `text`.  On a mismatch the last
 * star takes one character more: O(pattern * text), no recursion. */
static bool match_one(const char *p, const char *end, const char *text)
{
    const char *star = NULL, *resume = NULL;

    while (*text) {
        if (p < end && *p == '*') {
            star = p++;
            resume = text;
        } else if (p < end && (*p == '?' || *p == *text)) {
            p++;
            text++;
        } else if (star) {
            p = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*')
        p++;
    return p == end;
}

bool gf_match(const char *patterns, const char *text)
{
    for (const char *p = patterns + strspn(patterns, " "); *p; p += strspn(p, " ")) {
        const char *end = p + strcspn(p, " ");
        if (match_one(p, end, text))
            return true;
        p = end;
    }
    return false;
}
