# SPDX-License-Identifier: Apache-2.0
# Run as a script: cmake -DOUTPUT=FILE -DHEADER=FILE -DNAMESPACE=NAME "-DCONSTANTS=kName=path;…" -P EmbedText.cmake
# Writes the definitions of the constants that HEADER declares in NAMESPACE.
set(text "// Made by cmake/EmbedText.cmake.\n#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n\nusing namespace std::string_view_literals;\n")
foreach(constant IN LISTS CONSTANTS)
  string(FIND "${constant}" "=" separator)
  string(SUBSTRING "${constant}" 0 ${separator} name)
  math(EXPR start "${separator} + 1")
  string(SUBSTRING "${constant}" ${start} -1 path)
  file(READ "${path}" content)
  string(FIND "${content}" ")lwq_text\"" at)
  if(NOT at EQUAL -1)
    message(FATAL_ERROR "${path} holds the mark that ends a text in C++; choose another in cmake/EmbedText.cmake")
  endif()
  string(APPEND text "const std::string_view ${name} = R\"lwq_text(${content})lwq_text\"sv;\n")
endforeach()
string(APPEND text "\n}  // namespace ${NAMESPACE}\n")
file(WRITE "${OUTPUT}" "${text}")
