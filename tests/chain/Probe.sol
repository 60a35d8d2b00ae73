// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// What the tests of the chain run. `probe.py` beside this file carries its bytecode: solc 0.8.37,
/// optimizer on, EVM version cancun, no metadata.
contract Probe {
    event Stored(uint256 indexed key, address indexed sender, uint256 value);

    error Refused(uint256 reason);

    mapping(uint256 => uint256) public values;
    uint256 public calls;

    function store(uint256 key, uint256 value) external {
        values[key] = value;
        unchecked {
            ++calls;
        }
        emit Stored(key, msg.sender, value);
    }

    function refuse() external {
        calls = 7;
        revert("not today");
    }

    function refuseWith(uint256 reason) external pure {
        revert Refused(reason);
    }

    function divide(uint256 a, uint256 b) external pure returns (uint256) {
        return a / b;
    }

    function spin() external {
        while (true) ++calls;
    }

    function anonymousEvent(uint256 value) external {
        assembly {
            mstore(0, value)
            log0(0, 32)
        }
    }

    /// Counts with transient storage: 1 in every transaction of its own.
    function countInTransaction() external {
        uint256 count;
        assembly {
            count := add(tload(0), 1)
            tstore(0, count)
        }
        values[0] = count;
    }

    function place() external view returns (uint256 height, uint256 timestamp, uint256 chainId) {
        return (block.number, block.timestamp, block.chainid);
    }

    function makeChild() external returns (address child) {
        child = address(new Child());
        values[1] = uint160(child);
    }

    function makeBriefChild() external {
        Child child = new Child();
        values[1] = uint160(address(child));
        child.end();
    }

    function codeHashOf(address account) external view returns (bytes32) {
        return account.codehash;
    }
}

contract Child {
    uint256 public born = block.number;

    function end() external {
        selfdestruct(payable(msg.sender));
    }
}
