/* program_file.h -- programs as bytes: what a compiled job's file holds of them.
 *
 * Everything a device needs is there, so that neither LLVM nor NVRTC is: tensors,
 * launches, the plan, and the kernels' machine code, which is
 *
 *   cuda   the cubin of each kernel
 *   cpu    one block for all kernels, and where in it each begins
 *
 * The block needs no linking when it is loaded: code and constants lie in it as
 * they will in memory, every reference is from one place of it to another by
 * distance, and none leads out.  It is copied to fresh pages, which then may be
 * executed and no longer be written to.  (The other way, an object file, would
 * need a linker in every build that runs one, and could ask it for symbols.)  What
 * LLVM writes is made such a block by codegen/cpu/image.c.  It is compiled for a
 * level of x86-64, not for the one processor at hand: levels are lists of features
 * that another machine can be asked for, by name and without LLVM.
 *
 * A program is code.  What is checked here is that a damaged file cannot make the
 * runtime go astray; what the kernels of a hostile one do cannot be checked.
 */
#ifndef GF_CODEGEN_PROGRAM_FILE_H
#define GF_CODEGEN_PROGRAM_FILE_H

#include "codegen/codegen.h"
#include "ir/bytes.h"

/* Raised with every change of what is written or of what kernels are given. */
enum { GF_PROGRAM_FORMAT = 2 };

/* Add `program`, whose kernels have images or whose `code` is there. */
void gf_program_write(const GfProgram *program, GfText *out);

/* Read what was written.  The kernels of a cpu program cannot be called before
 * gf_program_load.  `file` stands in errors.
 * Errors: GF_ERR_FORMAT damaged: too short, or anything that gf_program_check refuses. */
GfStatus gf_program_read(GfBytes *in, const char *file, const GfAllocator *allocator, GfProgram **out, GfDiags *diags);

/* Every index names something, every offset and size lies within the program's
 * memory at its largest sizes, nothing overflows.
 * Errors: GF_ERR_FORMAT, at `file`: what was found and what there is. */
GfStatus gf_program_check(const GfProgram *program, const char *file, GfDiags *diags);

/* Make the kernels of a cpu program's `code` callable, until the program is freed.
 * Of a cuda program nothing is to be done: devices load images themselves.
 * Errors: GF_ERR_TARGET what gf_cpu_check_target reports; GF_ERR_MEMORY pages for
 * machine code cannot be had. */
GfStatus gf_program_load(GfProgram *program, const char *file, GfDiags *diags);

/* Whether code for "cpu:x86-64-v3" can run here.
 * Errors, at `file`: GF_ERR_TARGET another architecture; a feature that this
 * processor lacks, by name. */
GfStatus gf_cpu_check_target(const char *target, const char *file, GfDiags *diags);

#endif
