/* test_job_file.c -- compiled jobs as files: what comes back, what is refused, what may
 * be set.  The programs are made by hand, so that no compiler is needed. */
#include "runtime/train/job_file.h"

#include "ir/bytes.h"
#include "runtime/train/job_model.h"
#include "tests/support/hand_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef GRAFT_SOURCE_DIR
#define GRAFT_SOURCE_DIR "."
#endif
#define DEMO GRAFT_SOURCE_DIR "/models/jobs/demo.json"

static const char config[] = "{\"vocab_size\": 512, \"max_position_embeddings\": 64, \"type_vocab_size\": 2, "
                             "\"hidden_size\": 64, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
                             "\"intermediate_size\": 128, \"hidden_act\": \"gelu\", \"layer_norm_eps\": 1e-12, "
                             "\"initializer_range\": 0.1, \"hidden_dropout_prob\": 0, "
                             "\"attention_probs_dropout_prob\": 0, \"classifier_dropout\": null, \"num_labels\": 6, "
                             "\"problem_type\": \"single_label_classification\"}";

/* A file of the demo job's variants full and lora, and its bytes. */
typedef struct Bed {
    GfDiags diags;
    GfArena arena;
    HandProgram hand;
    GfJobFileVariant variants[2];
    char folder[64], path[96];
    unsigned char *made, *bytes; /* as it was written; to be changed */
    size_t size;
    GfJobFile file;
    GfJob job;
} Bed;

static void require(Bed *b, GfStatus status)
{
    if (status != GF_OK)
        fail_msg("%s", b->diags.last->message);
}

static void read_bytes(Bed *b)
{
    FILE *f = fopen(b->path, "rb");

    assert_non_null(f);
    b->made = gf_arena_array(&b->arena, 1 << 18, 1);
    b->bytes = gf_arena_array(&b->arena, 1 << 18, 1);
    b->size = fread(b->made, 1, 1 << 18, f);
    assert_true(b->size > 1000 && b->size < 1 << 18);
    memcpy(b->bytes, b->made, b->size);
    fclose(f);
}

static void write_bytes(const Bed *b, const void *data, size_t size)
{
    unlink(b->path); /* a file cut to nothing and written anew is brought to the disk at once */
    FILE *f = fopen(b->path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

/* The last 8 bytes say what is before them. */
static void sign(unsigned char *bytes, size_t size)
{
    uint64_t hash = gf_bytes_hash(bytes, size - 8);

    for (int i = 0; i < 8; i++)
        bytes[size - 8 + (size_t)i] = (unsigned char)(hash >> 8 * i);
}

static void describe(Bed *b, const GfJob *job, GfJobFile *made)
{
    *made = (GfJobFile){.target = "cpu:x86-64", .config = config, .variants = b->variants, .variant_count = 2};
    for (size_t i = 0; i < 2; i++) {
        GfJobFileVariant *v = &b->variants[i];
        *v = (GfJobFileVariant){.name = job->variants[i].variant.name,
                                .limits = {.train = {100, 8}, .evaluate = {100, 8}},
                                .programs = {.params = {110 + (int64_t)i, 10}}};
        v->programs.of[GF_STEP_UPDATE] = v->programs.of[GF_STEP_EVALUATE] = &b->hand.program;
        require(b, gf_job_file_passes(&job->variants[i], &b->arena, v->passes, &b->diags));
    }
}

static void make_file(Bed *b)
{
    static const GfSet sets[] = {{"variants", "full,lora"}, {"training.max_steps", "7"}};
    GfHfConfig none = {0};
    GfJobFile made;
    GfModel model;
    GfJob job;

    require(b, gf_job_load(&job, DEMO, sets, 2, &b->diags));
    require(b, gf_job_load_model(&job, &(GfLabels){.count = job.data.label_count}, &none, &model, &b->diags));
    describe(b, &job, &made);
    require(b,
            gf_job_pack(&made.pack, &b->arena, &job, gf_json_text(&model.doc, model.doc.root), made.target, &b->diags));
    require(b, gf_job_file_write(&made, b->path, &b->diags));
    gf_model_close(&model);
    gf_job_close(&job);
    read_bytes(b);
}

static int make_bed(void **state)
{
    Bed *b = calloc(1, sizeof *b);

    gf_diags_init(&b->diags, NULL);
    gf_arena_init(&b->arena, NULL);
    strcpy(b->folder, "/tmp/graft-job-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->path, sizeof b->path, "%s/demo.gfc", b->folder);
    hand_program_make(&b->hand);
    make_file(b);
    *state = b;
    return 0;
}

static int free_bed(void **state)
{
    Bed *b = *state;

    unlink(b->path);
    rmdir(b->folder);
    gf_arena_free(&b->arena);
    gf_diags_free(&b->diags);
    free(b);
    return 0;
}

/* The file as it was made, for the next test. */
static int restore(void **state)
{
    Bed *b = *state;

    gf_job_close(&b->job);
    gf_job_file_close(&b->file);
    memcpy(b->bytes, b->made, b->size);
    write_bytes(b, b->made, b->size);
    return 0;
}

static void assert_says(const Bed *b, const char *part)
{
    if (!b->diags.last || !strstr(b->diags.last->message, part))
        fail_msg("'%s' does not say '%s'", b->diags.last ? b->diags.last->message : "", part);
}

/* ---- what comes back ---- */

static void a_file_has_all_of_its_job(void **state)
{
    Bed *b = *state;

    require(b, gf_job_file_open(&b->file, b->path, &b->diags));
    assert_string_equal(b->file.target, "cpu:x86-64");
    const GfJobFileVariant *lora = &b->file.variants[1];
    assert_int_equal(b->file.variant_count, 2);
    assert_string_equal(lora->name, "lora");
    assert_int_equal(lora->programs.params.all, 111);
    assert_int_equal(lora->limits.evaluate.tokens, 100);
    assert_null(lora->programs.of[GF_STEP_ACCUMULATE]);
    assert_int_equal(lora->programs.of[GF_STEP_EVALUATE]->launch_count, 1);
    require(b, gf_job_file_job(&b->file, NULL, 0, &b->job, &b->diags));
    assert_string_equal(b->job.name, "demo");
    assert_int_equal(b->job.variant_count, 2);
    assert_int_equal(b->job.variants[1].training.max_steps, 7);
    assert_true(b->job.variants[1].training.learning_rate == 3e-3); /* of the item in the job */
}

static void the_model_is_in_the_file(void **state)
{
    Bed *b = *state;
    GfHfConfig none = {0};
    GfModel model;

    require(b, gf_job_file_open(&b->file, b->path, &b->diags));
    require(b, gf_job_file_job(&b->file, NULL, 0, &b->job, &b->diags));
    require(b, gf_job_load_model(&b->job, &(GfLabels){.count = b->job.data.label_count}, &none, &model, &b->diags));
    require(b, gf_job_file_check_model(&b->file, &model, &b->diags));
    gf_config_find(&model.config, "hidden_dropout_prob")->number = 0.25;
    assert_int_equal(gf_job_file_check_model(&b->file, &model, &b->diags), GF_ERR_VALUE);
    assert_says(b, "'hidden_dropout_prob' 0, but now it is 0.25");
    gf_model_close(&model);
}

/* "dir": "texts" beside the file; what is set now, in the working directory. */
static void paths_are_relative_to_the_file(void **state)
{
    static const GfSet then[] = {{"data", "{\"dir\": \"texts\", \"train\": \"a.txt\", \"labels\": [\"x\", \"y\"]}"},
                                 {"checkpoint", "weights"}};
    Bed *b = *state;
    GfJobPack pack;
    char want[128];
    GfJob job;

    require(b, gf_job_load(&job, DEMO, then, 2, &b->diags));
    require(b, gf_job_pack(&pack, &b->arena, &job, "{}", "cpu:x86-64", &b->diags));
    assert_true(gf_job_pack_place(&pack, &b->arena, b->path));
    require(b, gf_job_load_pack(&b->job, &pack, NULL, 0, &b->diags));
    snprintf(want, sizeof want, "%s/texts/a.txt", b->folder);
    assert_string_equal(b->job.data.train, want);
    snprintf(want, sizeof want, "%s/weights", b->folder);
    assert_string_equal(b->job.checkpoint, want);
    gf_job_close(&b->job);
    require(b, gf_job_load_pack(&b->job, &pack, &(GfSet){"checkpoint", "other"}, 1, &b->diags));
    assert_string_equal(b->job.checkpoint, "other");
    gf_job_close(&job);
}

/* ---- what may be set ---- */

static void settings_that_are_not_compiled_may_change(void **state)
{
    static const GfSet sets[] = {{"training.learning_rate", "0.5"},
                                 {"training.num_train_epochs", "2"},
                                 {"training.seed", "9"},
                                 {"training.per_device_train_batch_size", "4"},
                                 {"training.output_dir", "elsewhere"},
                                 {"training.lr_scheduler_type", "cosine"},
                                 {"checkpoint", "weights"},
                                 {"data.generate.train", "20"},
                                 {"variants", "lora"}};
    Bed *b = *state;

    require(b, gf_job_file_open(&b->file, b->path, &b->diags));
    require(b, gf_job_file_job(&b->file, sets, sizeof sets / sizeof *sets, &b->job, &b->diags));
    assert_int_equal(b->job.variant_count, 1);
    assert_string_equal(b->job.variants[0].variant.name, "lora");
    assert_true(b->job.variants[0].training.learning_rate == 0.5);
}

/* Each is named, also among others that are allowed. */
static void compiled_settings_are_named(void **state)
{
    static const GfSet sets[] = {{"training.max_grad_norm", "0.5"},
                                 {"training.weight_decay", "0.01"},
                                 {"training.adam_beta1", "0.8"},
                                 {"training.adam_epsilon", "1e-6"},
                                 {"training.gradient_accumulation_steps", "2"},
                                 {"training.bf16", "true"},
                                 {"training.tf32", "true"},
                                 {"variants.1.training.adam_beta2", "0.9"},
                                 {"model", "other.json"}};
    Bed *b = *state;
    char want[96];

    require(b, gf_job_file_open(&b->file, b->path, &b->diags));
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        GfSet both[] = {{"training.learning_rate", "0.5"}, sets[i]};
        assert_int_equal(gf_job_file_job(&b->file, both, 2, &b->job, &b->diags), GF_ERR_VALUE);
        snprintf(want, sizeof want, "'%s' is compiled in and cannot be set to '%s'", sets[i].path, sets[i].value);
        assert_says(b, want);
    }
}

/* Runs of settings that are not compiled share what was. */
static void runs_share_their_programs(void **state)
{
    static const GfSet sets[] = {{"seeds", "[1, 2, 3]"}, {"training.learning_rate", "[1e-4, 5e-5]"}};
    Bed *b = *state;
    const GfJobFileVariant *found;

    require(b, gf_job_file_open(&b->file, b->path, &b->diags));
    require(b, gf_job_file_job(&b->file, sets, 2, &b->job, &b->diags));
    assert_int_equal(b->job.variant_count, 12);
    for (size_t i = 0; i < 12; i++) {
        require(b, gf_job_file_find(&b->file, &b->job.variants[i], &found, &b->diags));
        assert_ptr_equal(found, &b->file.variants[i / 6]);
    }
    gf_job_close(&b->job);
    assert_int_equal(gf_job_file_job(&b->file, &(GfSet){"training.weight_decay", "[0, 0.01]"}, 1, &b->job, &b->diags),
                     GF_ERR_VALUE);
    assert_says(b, "'training.weight_decay' is compiled in and cannot be set to '[0, 0.01]'");
}

/* An item of the job's list stays one, however many runs it means. */
static void a_pack_of_runs_has_each_item_once(void **state)
{
    static const GfSet sets[] = {{"variants", "full,lora"}, {"seeds", "[1, 2]"}};
    Bed *b = *state;
    GfJobPack pack;
    GfJob job;

    require(b, gf_job_load(&job, DEMO, sets, 2, &b->diags));
    require(b, gf_job_pack(&pack, &b->arena, &job, "{}", "cpu:x86-64", &b->diags));
    assert_int_equal(pack.count, 3);
    assert_true(gf_job_pack_place(&pack, &b->arena, b->path));
    require(b, gf_job_load_pack(&b->job, &pack, NULL, 0, &b->diags));
    assert_int_equal(b->job.variant_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(b->job.variants[i].name, job.variants[i].name);
    gf_job_close(&job);
}

static void other_variants_are_not_there(void **state)
{
    static const GfSet set = {"variants", GRAFT_SOURCE_DIR "/models/variants/classifier.json"};
    Bed *b = *state;

    require(b, gf_job_file_open(&b->file, b->path, &b->diags));
    assert_int_equal(gf_job_file_job(&b->file, &set, 1, &b->job, &b->diags), GF_ERR_NAME);
    assert_says(b, "has no variant 'classifier'; it has: full, lora");
}

static void larger_batches_are_refused(void **state)
{
    Bed *b = *state;
    GfPlanLimits fits = {{100, 8}, {1, 1}}, tokens = {{101, 8}, {1, 1}}, seqs = {{100, 8}, {9, 9}};

    require(b, gf_job_file_open(&b->file, b->path, &b->diags));
    const GfJobFileVariant *v = &b->file.variants[0];
    require(b, gf_job_file_check_limits(&b->file, v, &fits, &b->diags));
    assert_int_equal(gf_job_file_check_limits(&b->file, v, &tokens, &b->diags), GF_ERR_VALUE);
    assert_says(b, "a training batch of 'full' may have 8 sequences and 101 tokens; the file is planned for 8 and 100");
    assert_int_equal(gf_job_file_check_limits(&b->file, v, &seqs, &b->diags), GF_ERR_VALUE);
    assert_says(b, "an evaluation batch of 'full' may have 9 sequences");
}

/* ---- what is refused ---- */

static GfStatus open_changed(Bed *b, const unsigned char *bytes, size_t size)
{
    write_bytes(b, bytes, size);
    return gf_job_file_open(&b->file, b->path, &b->diags);
}

static void damage_is_seen_by_the_checksum(void **state)
{
    Bed *b = *state;

    for (size_t i = 12; i < b->size; i += 53) {
        b->bytes[i] ^= 0x10;
        assert_int_equal(open_changed(b, b->bytes, b->size), GF_ERR_FORMAT);
        assert_says(b, "is damaged: its checksum");
        b->bytes[i] ^= 0x10;
    }
    for (size_t size = 0; size < b->size; size += 499) {
        assert_int_equal(open_changed(b, b->bytes, size), GF_ERR_FORMAT);
        assert_says(b, size < 8 ? "is no compiled job" : "is damaged: its checksum");
    }
}

/* A file that was made wrong on purpose: an error, or a job that is loaded and compared. */
static void forged_files_are_errors_or_jobs(void **state)
{
    Bed *b = *state;
    size_t refused = 0, opened = 0;
    unsigned char *forged = gf_arena_array(&b->arena, b->size, 1);
    GfHfConfig none = {0};

    /* All of the head and of a variant, samples of the texts between. */
    for (size_t i = 8; i < b->size - 8; i += i < 300 || i > b->size - 3000 ? 1 : 61) {
        GfDiags unseen;
        GfModel model;
        gf_diags_init(&unseen, NULL);
        memcpy(forged, b->bytes, b->size);
        forged[i] ^= (unsigned char)(1 << i % 8);
        sign(forged, b->size);
        write_bytes(b, forged, b->size);
        GfStatus status = gf_job_file_open(&b->file, b->path, &unseen);
        assert_true(status == GF_OK || status == GF_ERR_FORMAT);
        refused += status != GF_OK;
        if (status == GF_OK && gf_job_file_job(&b->file, NULL, 0, &b->job, &unseen) == GF_OK) {
            if (i % 16 == 0 && gf_job_load_model(&b->job, &(GfLabels){.count = b->job.data.label_count}, &none, &model,
                                                 &unseen) == GF_OK) {
                gf_job_file_check_model(&b->file, &model, &unseen);
                gf_model_close(&model);
            }
            gf_job_close(&b->job);
            opened++;
        }
        gf_job_file_close(&b->file);
        gf_diags_free(&unseen);
    }
    assert_true(refused > 100 && opened > 100); /* counts and sizes; words of the texts */
}

static void forged_ends_are_errors(void **state)
{
    Bed *b = *state;

    for (size_t size = b->size - 1; size > 20; size -= size > 300 ? 97 : 1) {
        unsigned char *exact = malloc(size);
        memcpy(exact, b->bytes, size);
        sign(exact, size);
        assert_int_equal(open_changed(b, exact, size), GF_ERR_FORMAT);
        free(exact);
    }
}

static void other_versions_are_named(void **state)
{
    Bed *b = *state;

    unsigned char format = b->bytes[8];
    b->bytes[8] = 99; /* the format's low byte */
    sign(b->bytes, b->size);
    assert_int_equal(open_changed(b, b->bytes, b->size), GF_ERR_FORMAT);
    assert_says(b, "in format 2.99; this is graft");
    b->bytes[8] = format;
    b->bytes[16] = '7'; /* graft's version, behind its length */
    sign(b->bytes, b->size);
    assert_int_equal(open_changed(b, b->bytes, b->size), GF_ERR_FORMAT);
    assert_says(b, "written by graft 7");
}

/* Programs that would read past a batch, or give too little. */
static void programs_must_fit_the_model(void **state)
{
    Bed *b = *state;
    GfHfConfig none = {0};
    GfModel model;

    require(b, gf_job_file_open(&b->file, b->path, &b->diags));
    require(b, gf_job_file_job(&b->file, NULL, 0, &b->job, &b->diags));
    require(b, gf_job_load_model(&b->job, &(GfLabels){.count = b->job.data.label_count}, &none, &model, &b->diags));
    GfProgram *p = b->file.variants[0].programs.of[GF_STEP_EVALUATE];
    p->tensors[0].type = gf_type_matrix(GF_I32, gf_dim_symbol(0), gf_dim_const(2));
    assert_int_equal(gf_job_file_check_model(&b->file, &model, &b->diags), GF_ERR_FORMAT);
    assert_says(b, "a program takes another 'ids'");
    p->tensors[0].type = gf_type_vector(GF_I32, gf_dim_symbol(0));
    p->outputs[1].type = gf_type_matrix(GF_F32, gf_dim_symbol(1), gf_dim_const(5));
    assert_int_equal(gf_job_file_check_model(&b->file, &model, &b->diags), GF_ERR_FORMAT);
    assert_says(b, "a program gives another 'logits'");
    p->output_count = 1;
    assert_int_equal(gf_job_file_check_model(&b->file, &model, &b->diags), GF_ERR_FORMAT);
    assert_says(b, "a program gives no 'logits'");
    p->output_count = 2;
    p->outputs[1].type = gf_type_matrix(GF_F32, gf_dim_symbol(1), gf_dim_const(6));
    require(b, gf_job_file_check_model(&b->file, &model, &b->diags));
    p->tensors[0].name = "hoisted.0";
    p->tensors[0].type = gf_type_matrix(GF_F32, gf_dim_symbol(0), gf_dim_const(2));
    assert_int_equal(gf_job_file_check_model(&b->file, &model, &b->diags), GF_ERR_FORMAT);
    assert_says(b, "no program gives what is hoisted in");
    gf_model_close(&model);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, restore)
    const struct CMUnitTest tests[] = {
        TEST(a_file_has_all_of_its_job),       TEST(the_model_is_in_the_file),
        TEST(paths_are_relative_to_the_file),  TEST(settings_that_are_not_compiled_may_change),
        TEST(runs_share_their_programs),       TEST(a_pack_of_runs_has_each_item_once),
        TEST(compiled_settings_are_named),     TEST(other_variants_are_not_there),
        TEST(larger_batches_are_refused),      TEST(damage_is_seen_by_the_checksum),
        TEST(forged_files_are_errors_or_jobs), TEST(forged_ends_are_errors),
        TEST(other_versions_are_named),        TEST(programs_must_fit_the_model),
    };

    return cmocka_run_group_tests(tests, make_bed, free_bed);
}
