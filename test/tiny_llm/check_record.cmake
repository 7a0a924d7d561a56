# What is on record of the embedded model was measured on the model that is there.
file(SHA256 ${MODEL} model)
file(READ ${RECORD} record)
string(JSON measured GET "${record}" model_sha256)
if(NOT measured STREQUAL model)
  message(FATAL_ERROR "${RECORD} is of another model: examples/tiny_llm/training/measure.py makes it anew")
endif()
