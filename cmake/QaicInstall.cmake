# SPDX-License-Identifier: Apache-2.0
# `cmake --install build --prefix P`: the library, its headers, a CMake package and a pkg-config file.
# The tools install themselves (qaic_tool). Nothing installed needs fmt, protobuf or ONNX to compile against.
include(CMakePackageConfigHelpers)

install(TARGETS qaicrt EXPORT qaicrtTargets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/qaicrt" "${PROJECT_SOURCE_DIR}/include/hw"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/qaicrt")
install(EXPORT qaicrtTargets NAMESPACE qaicrt:: DESTINATION "${package_dir}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/qaicrtConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/package/qaicrtConfig.cmake"
                              INSTALL_DESTINATION "${package_dir}"
                              NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0 a new minor version may break callers.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/qaicrtConfigVersion.cmake"
                                 VERSION "${PROJECT_VERSION}" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/package/qaicrtConfig.cmake"
              "${PROJECT_BINARY_DIR}/package/qaicrtConfigVersion.cmake" DESTINATION "${package_dir}")

# The prefix is found from the file's own place, so that an installed tree may be moved.
file(RELATIVE_PATH QAIC_PREFIX_FROM_PC "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
configure_file("${PROJECT_SOURCE_DIR}/cmake/qaicrt.pc.in" "${PROJECT_BINARY_DIR}/package/qaicrt.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/package/qaicrt.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
