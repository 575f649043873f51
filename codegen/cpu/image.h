/* image.h -- from the object that LLVM writes to a block of code that needs no linking. */
#ifndef GF_CODEGEN_CPU_IMAGE_H
#define GF_CODEGEN_CPU_IMAGE_H

#include "codegen/codegen.h"

/* Lay out the object's code and constants, resolve what refers from one to the
 * other, and put the block into program->code, each kernel's place into code_at.
 * The block begins at a page.
 * Errors: GF_ERR_COMPILE no x86-64 object of ELF; a reference to the outside, or one
 * that is not by distance; data that is written; a kernel that is not there. */
GfStatus cpu_image_make(const void *object, size_t size, GfProgram *program, GfDiags *diags);

#endif
