// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {OrderId} from "../../src/types/OrderId.sol";
import {vm} from "./Vm.sol";

/// @title What every test contract stands on
abstract contract Test {
    function assertTrue(bool condition, string memory message) internal pure {
        vm.assertTrue(condition, message);
    }

    function assertFalse(bool condition, string memory message) internal pure {
        vm.assertTrue(!condition, message);
    }

    function assertEq(uint256 actual, uint256 expected, string memory message) internal pure {
        vm.assertEq(actual, expected, message);
    }

    function assertEq(OrderId actual, OrderId expected, string memory message) internal pure {
        vm.assertEq(OrderId.unwrap(actual), OrderId.unwrap(expected), message);
    }

    function assertLe(uint256 actual, uint256 limit, string memory message) internal pure {
        vm.assertLe(actual, limit, message);
    }

    /// @notice A number between `min` and `max`, both included, made from any number.
    function bound(uint256 value, uint256 min, uint256 max) internal pure returns (uint256) {
        return min + value % (max - min + 1);
    }

    /// @notice Number `index` of the random numbers that `seed` stands for.
    function random(uint256 seed, uint256 index) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, index)));
    }
}
