// Standalone Asio, as all of planecast's sockets include it.
#pragma once

// Asio must be told where there is no run-time type information, and only there: what the macro changes are
// inline functions that this unit shares with those that use Asio on their own.
#if !defined(__cpp_rtti) && !defined(ASIO_NO_TYPEID)
#define ASIO_NO_TYPEID
#endif

#include <asio/buffer.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
