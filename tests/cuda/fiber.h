// fiber.h -- a test tool: functions that stop in the middle and go on later, each
// on a stack of its own.  swapcontext does it everywhere, with two system calls a
// switch; where the switch is written here it takes some nanoseconds.
#ifndef GF_TESTS_CUDA_FIBER_H
#define GF_TESTS_CUDA_FIBER_H

#include <stddef.h>

#if defined(__x86_64__)

typedef struct GfContext {
    void *stack; // where the registers lie that a function must keep
} GfContext;

// Save this context, go on in the other: System V ABI, AMD64 (rbp, rbx, r12 to r15 are kept).
extern "C" void gf_switch(GfContext *from, const GfContext *to) __attribute__((visibility("hidden")));
asm(".text\n"
    ".hidden gf_switch\n"
    ".globl gf_switch\n"
    ".type gf_switch, @function\n"
    "gf_switch:\n"
    "    pushq %rbp\n"
    "    pushq %rbx\n"
    "    pushq %r12\n"
    "    pushq %r13\n"
    "    pushq %r14\n"
    "    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq (%rsi), %rsp\n"
    "    popq %r15\n"
    "    popq %r14\n"
    "    popq %r13\n"
    "    popq %r12\n"
    "    popq %rbx\n"
    "    popq %rbp\n"
    "    ret\n"
    ".size gf_switch, . - gf_switch\n");

// `main` never returns.  Its stack is as behind a call: 8 bytes off a multiple of 16.
static inline void gf_context_make(GfContext *c, void (*main)(), char *stack, size_t bytes)
{
    void **top = (void **)(((size_t)stack + bytes) / 16 * 16);
    *--top = nullptr;
    *--top = (void *)main;
    for (int i = 0; i < 6; i++)
        *--top = nullptr;
    c->stack = top;
}

#else

#include <ucontext.h>

typedef ucontext_t GfContext;

static inline void gf_switch(GfContext *from, const GfContext *to)
{
    swapcontext(from, to);
}

static inline void gf_context_make(GfContext *c, void (*main)(), char *stack, size_t bytes)
{
    getcontext(c);
    c->uc_stack.ss_sp = stack;
    c->uc_stack.ss_size = bytes;
    c->uc_link = nullptr;
    makecontext(c, main, 0);
}

#endif
#endif
