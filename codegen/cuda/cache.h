/* cache.h -- compiled kernels on disk, by content.
 *
 * An entry is one file: what it was compiled from (options, NVRTC's version, the
 * whole source), NVRTC's log and the image, with a checksum.  It serves only who
 * asks for the very same; one that is damaged or of another source is compiled
 * anew and replaced.  Written to a temporary file, synced, renamed.  A folder that
 * cannot be written to costs time, nothing else.
 */
#ifndef GF_CODEGEN_CUDA_CACHE_H
#define GF_CODEGEN_CUDA_CACHE_H

#include "codegen/cuda/nvrtc.h"

/* Where entries are: GRAFT_CACHE ("": nowhere), else graft in XDG_CACHE_HOME, else
 * in ~/.cache; made if missing.  In `arena`; NULL: nowhere. */
const char *cache_folder(GfArena *arena);

/* True: job->image and job->log (from malloc) are those of the entry.
 * key: all that the image depends on beside the source. */
bool cache_load(const char *folder, const char *key, NvrtcJob *job);
void cache_store(const char *folder, const char *key, const NvrtcJob *job);

#endif
