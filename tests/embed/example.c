/* example.c -- graft in a program of one's own: fine-tune, evaluate, save, ask.
 *
 *   cc example.c $(pkg-config --cflags --libs graft) -o example
 *   ./example models/jobs/demo.json model
 *
 * runtime/graft.h is the only header of graft that it needs.
 */
#include <graft.h>

#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 30, CLASSES_MAX = 16 };

/* Every call reports in the same way. */
static void check(int code, const graft_error *error)
{
    if (code == GRAFT_OK)
        return;
    fputs(error->text, stderr);
    exit(1);
}

/* The caller's own loop: look at a figure, and stop when it likes. */
static void train(graft_trainer *trainer, int64_t steps)
{
    graft_error error;
    graft_step step = {0};

    while (step.step < steps && !graft_trainer_is_done(trainer)) {
        check(graft_trainer_step(trainer, &step, &error), &error);
        if (step.step % 10 == 0)
            printf("step %3lld  loss %.4f  %5.0f tokens/s\n", (long long)step.step, step.loss,
                   (double)step.tokens / step.seconds);
    }
}

static double evaluate(graft_trainer *trainer)
{
    graft_error error;
    graft_scores scores;

    check(graft_trainer_evaluate(trainer, GRAFT_TEST, &scores, &error), &error);
    printf("test: loss %.4f, accuracy %.4f of %lld examples\n", scores.loss, graft_scores_metric(&scores, "accuracy"),
           (long long)scores.examples);
    return scores.loss;
}

static void ask(const char *folder)
{
    static const graft_text texts[] = {{"i feel wonderful today", NULL}, {"so much rain", NULL}};
    enum { COUNT = sizeof texts / sizeof *texts };
    float logits[COUNT * CLASSES_MAX], probabilities[COUNT * CLASSES_MAX];
    graft_model *model;
    graft_error error;

    check(graft_model_open(&model, folder, NULL, &error), &error);
    size_t classes = graft_model_output_count(model);
    if (classes > CLASSES_MAX) {
        fprintf(stderr, "%zu classes are too many for this example\n", classes);
        exit(1);
    }
    check(graft_model_predict(model, texts, COUNT, logits, probabilities, &error), &error);
    for (size_t i = 0; i < COUNT; i++) {
        const float *row = probabilities + i * classes;
        size_t best = 0;
        for (size_t k = 1; k < classes; k++)
            best = row[k] > row[best] ? k : best;
        printf("\"%s\": %s (%.2f)\n", texts[i].text, graft_model_output_name(model, best), (double)row[best]);
    }
    graft_model_close(model);
}

int main(int argc, char **argv)
{
    graft_error error;
    graft_job *job;
    graft_trainer *trainer;

    if (argc != 3) {
        fprintf(stderr, "usage: %s JOB.json FOLDER\n", argv[0]);
        return 2;
    }
    check(graft_job_open(&job, argv[1], NULL, &error), &error);
    size_t last = graft_job_variant_count(job) - 1;
    check(graft_trainer_open(&trainer, job, last, &error), &error);

    int64_t trainable, all;
    graft_trainer_parameters(trainer, &trainable, &all);
    printf("graft %s: %s, %lld of %lld parameters train\n", graft_version(), graft_job_variant_name(job, last),
           (long long)trainable, (long long)all);

    double before = evaluate(trainer);
    train(trainer, STEPS);
    double after = evaluate(trainer);
    check(graft_trainer_save(trainer, argv[2], &error), &error);
    graft_trainer_close(trainer);
    graft_job_close(job);

    ask(argv[2]);
    if (after < before)
        return 0;
    fprintf(stderr, "nothing was learned\n");
    return 1;
}
