# flatten.cmake -- graft_pass.h in one file, and the list of what the command exports.
#
#   cmake -DSOURCE=DIR -DVERSION=0.1.0 -DHEADER=graft_pass.h -DEXPORTS=graft.exports -P flatten.cmake
#
# #include "a/b.h" is replaced by the file: headers once, tables (.def) each time.
# Every function that the result declares is exported by the command, so that a
# shared object of passes finds it (--dynamic-list of the linker).
cmake_minimum_required(VERSION 3.25)
file(READ ${SOURCE}/passes/graft_pass.h text)
string(PREPEND text "#ifndef GRAFT_VERSION\n#define GRAFT_VERSION \"${VERSION}\"\n#endif\n\n")
set(seen "")
while(text MATCHES "\n *#include \"([a-z_/.]+)\"")
    set(line "${CMAKE_MATCH_0}")
    set(path "${CMAKE_MATCH_1}")
    set(part "")
    if(path MATCHES "[.]def$" OR NOT path IN_LIST seen)
        list(APPEND seen ${path})
        file(READ ${SOURCE}/${path} part)
        string(PREPEND part "\n")
    endif()
    string(FIND "${text}" "${line}" at)
    string(LENGTH "${line}" length)
    string(SUBSTRING "${text}" 0 ${at} before)
    math(EXPR at "${at} + ${length}")
    string(SUBSTRING "${text}" ${at} -1 after)
    set(text "${before}${part}${after}")
endwhile()
file(WRITE ${HEADER} "${text}")

# Comments may name functions of other headers: they are no declarations.
string(REGEX REPLACE "/[*]([^*]|[*]+[^*/])*[*]+/" "" code "${text}")
string(REGEX MATCHALL "gf_[a-z0-9_]+" names "${code}")
list(REMOVE_DUPLICATES names)
list(SORT names)
list(JOIN names ";\n    " names)
file(WRITE ${EXPORTS} "{\n    ${names};\n};\n")
