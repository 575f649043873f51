/* style.h -- how a report looks: style.css, which becomes part of the program. */
#ifndef GF_RUNTIME_REPORT_STYLE_H
#define GF_RUNTIME_REPORT_STYLE_H

/* CSS for a style element, UTF-8, with a NUL after its end. */
extern const unsigned char gf_report_style[];

#endif
