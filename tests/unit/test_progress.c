/* test_progress.c -- the progress line: what it says at every width, and that it goes. */
#include "frontend/cli/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const GfProgressState middle = {.step = 712,
                                       .max_steps = 1500,
                                       .epoch_steps = 500,
                                       .loss = 0.18019,
                                       .examples_per_second = 190.4,
                                       .seconds_left = 41.2};

static const char *line(GfArena *arena, GfProgressState state, int width)
{
    GfText text = {.arena = arena};

    gf_progress_line(&text, &state, width);
    return gf_text_str(&text);
}

static void says_all_when_there_is_room(void **state)
{
    GfArena arena;

    (void)state;
    gf_arena_init(&arena, NULL);
    assert_string_equal(line(&arena, middle, 79),
                        "epoch 2  [########>          ]  212/500  loss 0.1802  190 examples/s  0:41 left");
    assert_string_equal(line(&arena, middle, 200),
                        "epoch 2  [##########>             ]  212/500  loss 0.1802  190 examples/s  0:41 left");
    GfProgressState state_of_end = middle;
    state_of_end.step = 1000;
    state_of_end.seconds_left = 3723;
    assert_string_equal(line(&arena, state_of_end, 200),
                        "epoch 2  [########################]  500/500  loss 0.1802  190 examples/s  1:02:03 left");
    state_of_end.step = 1001;
    state_of_end.seconds_left = -1;
    assert_string_equal(line(&arena, state_of_end, 200),
                        "epoch 3  [>                       ]  1/500  loss 0.1802  190 examples/s");
    gf_arena_free(&arena);
}

static void fits_every_width(void **state)
{
    GfArena arena;
    size_t last = 0;

    (void)state;
    gf_arena_init(&arena, NULL);
    for (int width = 0; width < 200; width++) {
        const char *text = line(&arena, middle, width);
        assert_true(strlen(text) <= (size_t)width);
        assert_true(width < 7 || strncmp(text, "epoch 2", 7) == 0);
        assert_true(width < 80 || strlen(text) >= last);
        last = strlen(text);
    }
    gf_arena_free(&arena);
}

/* What a terminal of one line shows after these bytes. */
static void show(const char *bytes, char *screen, size_t size)
{
    size_t at = 0;

    memset(screen, ' ', size);
    for (; *bytes; bytes++) {
        if (*bytes == '\r') {
            at = 0;
            continue;
        }
        assert_true(at < size);
        screen[at++] = *bytes;
    }
}

static void leaves_no_trace_and_is_not_drawn_too_often(void **state)
{
    char *bytes = NULL, screen[80], blank[80];
    size_t size = 0;
    FILE *out = tmpfile();
    GfProgress p = {.out = out};

    (void)state;
    assert_non_null(out);
    gf_progress_begin(&p);
    for (int i = 0; i < 1000; i++) { /* a second of a thousand steps */
        GfProgressState s = middle;
        s.step = 700 + i;
        gf_progress_step(&p, s, 50 + 1e-3 * i);
    }
    assert_true(p.columns > 0);
    gf_progress_clear(&p);
    size = (size_t)ftell(out);
    rewind(out);
    bytes = calloc(size + 1, 1);
    assert_int_equal(fread(bytes, 1, size, out), size);
    int drawn = 0;
    for (const char *e = bytes; (e = strstr(e, "epoch")); e++)
        drawn++;
    assert_in_range(drawn, 9, 11);
    memset(blank, ' ', sizeof blank);
    show(bytes, screen, sizeof screen);
    assert_memory_equal(screen, blank, sizeof blank);
    free(bytes);
    fclose(out);
}

/* The clock decides, evaluations included: 10 steps in 20 s, 790 steps are left. */
static void reckons_by_the_clock(void **state)
{
    FILE *out = tmpfile();
    char text[256] = "";
    GfProgress p = {.out = out};
    GfProgressState s = middle;

    (void)state;
    gf_progress_begin(&p);
    s.step = 700;
    gf_progress_step(&p, s, 100);
    rewind(out);
    s.step = 710;
    gf_progress_step(&p, s, 120);
    rewind(out);
    assert_non_null(fgets(text, sizeof text, out));
    assert_non_null(strstr(text, "26:20 left"));
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_all_when_there_is_room),
        cmocka_unit_test(fits_every_width),
        cmocka_unit_test(leaves_no_trace_and_is_not_drawn_too_often),
        cmocka_unit_test(reckons_by_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
