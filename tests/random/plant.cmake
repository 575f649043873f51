# plant.cmake -- a source file with one rule of it broken.
#
#   cmake -DFILE=passes/fold.c -DFROM=... -DTO=... -DOUTPUT=... -P plant.cmake
#
# Where FROM does not occur the file is as it was, and the test that waits for the failure
# fails: the rule then reads differently, and so must the list in CMakeLists.txt.
file(READ ${FILE} text)
string(FIND "${text}" "${FROM}" at)
if(at LESS 0)
    message("${FILE} does not have '${FROM}': nothing is broken")
endif()
string(REPLACE "${FROM}" "${TO}" text "${text}")
file(WRITE ${OUTPUT} "${text}")
